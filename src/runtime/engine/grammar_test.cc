// Requests under a grammar: every token fits, the answer ends only where it may, batch-mates and
// failures leave each other alone.

#include "model/grammar/gbnf.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/test_model.h"

namespace freehold::runtime {
namespace {

constexpr TokenId kEnd = 300;

/// Byte tokens, one that ends, and nothing else: the factory's model has no text of its own.
std::shared_ptr<const model::GrammarVocabulary> byte_vocabulary() {
  std::vector<std::string> texts(384);
  for (size_t byte = 0; byte < 256; ++byte) texts[byte] = std::string(1, static_cast<char>(byte));
  return std::make_shared<model::GrammarVocabulary>(texts, std::vector<TokenId>{kEnd});
}

std::shared_ptr<model::TokenMasks> masks_of(std::string_view gbnf) {
  return std::make_shared<model::TokenMasks>(
      std::make_shared<model::Grammar>(MUST(model::parse_gbnf(gbnf))), byte_vocabulary());
}

struct Answered {
  std::string text;
  FinishReason finish = FinishReason::kNone;
  std::string error;
};

std::vector<Answered> answer_all(Engine& engine, std::vector<GenerateRequest> requests) {
  std::unordered_map<RequestId, size_t> order;
  std::vector<Answered> answers(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    order[MUST(engine.submit(std::move(requests[i])))] = i;
  }
  while (!engine.idle()) {
    for (const TokenEvent& event : MUST(engine.step())) {
      Answered& answer = answers[order.at(event.request)];
      answer.finish = event.finish;
      if (event.error) answer.error = event.error->message;
      if (!event.error && event.finish != FinishReason::kStop) {
        answer.text += static_cast<char>(event.token);
      }
    }
  }
  return answers;
}

GenerateRequest request_for(const std::shared_ptr<model::TokenMasks>& masks, uint64_t seed) {
  GenerateRequest request;
  request.prompt = {1, 2, 3};
  request.sampling.temperature = 5;
  request.sampling.seed = seed;
  request.context = 128;
  request.tokens_max = 60;
  request.ends = [](TokenId token) { return token == kEnd; };
  if (masks != nullptr) request.grammar = std::make_shared<model::GrammarMatcher>(masks);
  return request;
}

TEST(EngineGrammar, AnswersFollowIt) {
  TestModel machine(small_model("llama", "Q4_K_M"), 2);
  const auto engine = MUST(Engine::create({.model = *machine.model,
                                           .pool = *machine.pool,
                                           .account = machine.account,
                                           .cache_positions = 1024,
                                           .requests_max = 4}));
  const auto list = masks_of("root ::= \"[\" ([0-9]{1,3} (\",\" [0-9]{1,3}){0,3}) \"]\"");
  for (uint64_t seed = 0; seed < 5; ++seed) {
    std::vector<GenerateRequest> requests;
    requests.push_back(request_for(list, seed));
    requests.push_back(request_for(nullptr, seed));
    requests.push_back(request_for(list, seed + 100));
    const auto together = answer_all(*engine, std::move(requests));
    for (const size_t i : {0u, 2u}) {
      EXPECT_EQ(together[i].finish, FinishReason::kStop);
      EXPECT_TRUE(MUST(model::grammar_accepts(list->grammar(), together[i].text)));
    }
    std::vector<GenerateRequest> alone;
    alone.push_back(request_for(list, seed));
    EXPECT_EQ(answer_all(*engine, std::move(alone))[0].text, together[0].text);
  }
}

TEST(EngineGrammar, FailsAlone) {
  TestModel machine(small_model("llama", "Q4_K_M"), 2);
  const auto engine = MUST(Engine::create({.model = *machine.model,
                                           .pool = *machine.pool,
                                           .account = machine.account,
                                           .cache_positions = 1024,
                                           .requests_max = 4}));
  std::vector<std::string> texts(384);
  texts['a'] = "a";  // and no other byte
  const auto stuck = std::make_shared<model::TokenMasks>(
      std::make_shared<model::Grammar>(MUST(model::parse_gbnf("root ::= \"aab\""))),
      std::make_shared<model::GrammarVocabulary>(texts, std::vector<TokenId>{kEnd}));
  std::vector<GenerateRequest> requests;
  requests.push_back(request_for(stuck, 1));
  requests.push_back(request_for(masks_of("root ::= [a-z]{40}"), 1));
  const auto answers = answer_all(*engine, std::move(requests));
  EXPECT_EQ(answers[0].finish, FinishReason::kFailed);
  EXPECT_EQ(answers[0].error, "no token of the model fits the grammar at this point");
  EXPECT_EQ(answers[1].finish, FinishReason::kStop);
  EXPECT_EQ(answers[1].text.size(), 40u);
}

}  // namespace
}  // namespace freehold::runtime
