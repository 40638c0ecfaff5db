#pragma once
// One request's answer while it is made: jobs at the host, their pieces through a dialect's writer,
// out as a stream or as one value. Keeps slow readers from filling memory (their jobs are held) and
// frees what nobody waits for any more.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/api/endpoint.h"

namespace freehold::server {

/// What is asked for, in any dialect.
struct Asked {
  std::shared_ptr<const ServedModel> model;
  std::vector<model::TokenId> prompt;
  bool thinks = false;  // the prompt began a thought
  runtime::SamplingOptions sampling;
  uint64_t tokens_max = 0;
  std::vector<std::string> stops;
  std::optional<uint32_t> likeliest;
  uint32_t choices = 1;
  bool stream = false;
  bool splits_thoughts = false;  // thoughts are told apart from the answer
  std::optional<int64_t> keep_ns;
};

/// A piece of an answer; of its tokens the likelihoods, where they were asked for.
struct Delta {
  uint32_t choice = 0;
  std::string_view text;
  bool thought = false;
  std::span<const std::vector<runtime::TokenLikelihood>> likelihoods;
};

/// One of the answers, when it has ended.
struct Completed {
  std::string text;
  std::string thought;
  std::vector<std::vector<runtime::TokenLikelihood>> likelihoods;
  JobReport report;
};

/// How a dialect writes answers. Called for one answer at a time, never by two threads at once.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  virtual std::string_view stream_type() const { return "text/event-stream"; }
  /// Streams: what comes first, each piece, the end of one answer, the end of all.
  virtual std::string start() = 0;
  virtual std::string delta(const Delta& delta) = 0;
  virtual std::string finish(uint32_t choice, const Completed& answer) = 0;
  virtual std::string end(std::span<const Completed> answers) = 0;
  virtual std::string failure(const ApiError& error) = 0;
  /// All at once.
  virtual std::string whole(std::span<const Completed> answers) = 0;
};

/// Hands the jobs to the host. 503 where its queue is full, 400 with both numbers where the prompt
/// leaves no room in the context.
ApiStatus start_answer(Call& call, Asked asked, std::unique_ptr<AnswerWriter> writer);

/// "data: JSON" and an empty line; with `event`, its name before.
std::string sse_event(std::string_view json, std::string_view event = {});

/// Tokens of all answers.
struct Usage {
  uint64_t prompt = 0;
  uint64_t reused = 0;
  uint64_t answer = 0;
};
Usage usage_of(std::span<const Completed> answers);

}  // namespace freehold::server
