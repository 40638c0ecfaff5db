#include "server/api/answering.h"

#include <fmt/format.h>

#include <mutex>

#include "model/prompt/thinking.h"

namespace freehold::server {

namespace {

/// What a client is told to wait where the queue is full.
constexpr int kRetryAfter_s = 2;

class Answering;

/// The host's side of one of the answers.
class ChoiceSink final : public JobSink {
 public:
  ChoiceSink(std::shared_ptr<Answering> answering, uint32_t choice)
      : answering_(std::move(answering)), choice_(choice) {}
  void piece(const JobPiece& piece) override;
  void done(const JobReport& report) override;
  void failed(const Error& error) override;

 private:
  std::shared_ptr<Answering> answering_;
  uint32_t choice_ = 0;
};

class Answering : public std::enable_shared_from_this<Answering> {
 public:
  Answering(Call& call, Asked asked, std::unique_ptr<AnswerWriter> writer)
      : services_(call.services),
        exchange_(call.exchange),
        dialect_(call.dialect),
        route_(call.route),
        asked_(std::move(asked)),
        writer_(std::move(writer)),
        completed_(asked_.choices),
        splitters_(asked_.choices, model::ThinkingSplitter(asked_.thinks)) {}

  ApiStatus start(const std::string& owner);
  void piece(uint32_t choice, const JobPiece& piece);
  void done(uint32_t choice, const JobReport& report);
  void failed(const Error& error);

 private:
  void woken();
  void cancel_all();
  Response head() const;
  void add(uint32_t choice, const model::AnswerPart& part,
           std::span<const std::vector<runtime::TokenLikelihood>> likelihoods);
  void write(const std::string& bytes);
  void count(const Completed& answer);

  Services& services_;
  std::shared_ptr<Exchange> exchange_;
  Dialect dialect_;
  std::string route_;
  Asked asked_;
  std::unique_ptr<AnswerWriter> writer_;

  std::mutex mutex_;
  std::vector<JobId> jobs_;
  std::vector<Completed> completed_;
  std::vector<model::ThinkingSplitter> splitters_;
  uint32_t ended_ = 0;
  bool begun_ = false;
  bool over_ = false;
};

void ChoiceSink::piece(const JobPiece& piece) { answering_->piece(choice_, piece); }
void ChoiceSink::done(const JobReport& report) { answering_->done(choice_, report); }
void ChoiceSink::failed(const Error& error) { answering_->failed(error); }

ApiStatus Answering::start(const std::string& owner) {
  {
    const std::lock_guard lock(mutex_);
    for (uint32_t choice = 0; choice < asked_.choices; ++choice) {
      Job job;
      job.model = asked_.model;
      job.prompt = asked_.prompt;
      job.sampling = asked_.sampling;
      job.choice = choice;
      job.tokens_max = asked_.tokens_max;
      job.stops = asked_.stops;
      job.likeliest = asked_.likeliest;
      job.owner = owner;
      job.keep_ns = asked_.keep_ns;
      job.sink = std::make_shared<ChoiceSink>(shared_from_this(), choice);
      const auto id = services_.host.submit(std::move(job));
      if (!id) {
        over_ = true;
        for (const JobId started : jobs_) services_.host.cancel(started);
        return ApiError{.status = 503,
                        .message = "too many requests are waiting; try again",
                        .code = "overloaded",
                        .retry_after_s = kRetryAfter_s};
      }
      jobs_.push_back(*id);
    }
  }
  exchange_->set_wake([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->woken();
  });
  return Nothing{};
}

/// There is room again, or nobody reads any more.
void Answering::woken() {
  const std::lock_guard lock(mutex_);
  if (over_) return;
  if (exchange_->is_closed()) return cancel_all();
  for (const JobId job : jobs_) services_.host.hold(job, false);
}

void Answering::cancel_all() {
  over_ = true;
  for (const JobId job : jobs_) services_.host.cancel(job);
  services_.metrics.count_request(route_, 499);
}

Response Answering::head() const {
  Response response;
  response.headers = {{"X-Freehold-Context", std::to_string(asked_.model->context)},
                      {"X-Freehold-Seed", std::to_string(asked_.sampling.seed)}};
  const std::string sha256 = asked_.model->sha256();
  if (!sha256.empty()) response.headers.push_back({"X-Freehold-Model", "sha256:" + sha256});
  if (asked_.stream) {
    response.content_type = std::string(writer_->stream_type());
    response.headers.push_back({"Cache-Control", "no-store"});
  }
  return response;
}

/// Holds the jobs of a client that does not read. woken() waits for mutex_, so that letting go
/// always comes after.
void Answering::write(const std::string& bytes) {
  if (bytes.empty()) return;
  switch (exchange_->write(bytes)) {
    case Exchange::Room::kPlenty:
      return;
    case Exchange::Room::kFull:
      for (const JobId job : jobs_) services_.host.hold(job, true);
      return;
    case Exchange::Room::kClosed:
      return cancel_all();
  }
}

void Answering::add(uint32_t choice, const model::AnswerPart& part,
                    std::span<const std::vector<runtime::TokenLikelihood>> likelihoods) {
  using Kind = model::AnswerPart::Kind;
  if (part.kind == Kind::kMark) return;
  const bool thought = part.kind == Kind::kThought;
  Completed& answer = completed_[choice];
  (thought ? answer.thought : answer.text) += part.text;
  if (asked_.stream && !over_) write(writer_->delta({choice, part.text, thought, likelihoods}));
}

void Answering::piece(uint32_t choice, const JobPiece& piece) {
  const std::lock_guard lock(mutex_);
  if (over_) return;
  if (asked_.stream && !begun_) {
    begun_ = true;
    Response response = head();
    response.body = writer_->start();
    services_.metrics.count_request(route_, response.status);
    exchange_->begin(std::move(response));
  }
  std::vector<std::vector<runtime::TokenLikelihood>> likelihoods;
  if (!piece.likelihoods.empty() && !piece.ends) {
    likelihoods.emplace_back(piece.likelihoods.begin(), piece.likelihoods.end());
    completed_[choice].likelihoods.push_back(likelihoods.front());
  }
  if (!asked_.splits_thoughts) {
    // Every token with likelihoods is reported, also one without text of its own.
    if (piece.text.empty() && likelihoods.empty()) return;
    return add(choice, {model::AnswerPart::Kind::kAnswer, std::string(piece.text)}, likelihoods);
  }
  std::span<const std::vector<runtime::TokenLikelihood>> rest = likelihoods;
  for (const model::AnswerPart& part : splitters_[choice].push(piece.text)) {
    add(choice, part, rest);
    rest = {};
  }
}

void Answering::done(uint32_t choice, const JobReport& report) {
  const std::lock_guard lock(mutex_);
  if (over_) return;
  Completed& answer = completed_[choice];
  if (asked_.splits_thoughts) {
    for (const model::AnswerPart& part : splitters_[choice].finish()) add(choice, part, {});
  }
  answer.report = report;
  count(answer);
  if (asked_.stream && !over_) write(writer_->finish(choice, answer));
  if (over_ || ++ended_ < asked_.choices) return;
  over_ = true;
  if (asked_.stream) {
    write(writer_->end(completed_));
    exchange_->end();
    return;
  }
  Response response = head();
  response.body = writer_->whole(completed_);
  services_.metrics.count_request(route_, response.status);
  exchange_->send(std::move(response));
}

void Answering::count(const Completed& answer) {
  const auto seconds = [](int64_t from, int64_t to) {
    return static_cast<double>(to - from) * 1e-9;
  };
  const JobReport& report = answer.report;
  services_.metrics.count_answer(
      {.model = asked_.model->name,
       .prompt_tokens = report.counts.prompt_tokens,
       .reused_tokens = report.counts.reused_tokens,
       .answer_tokens = report.counts.answer_tokens,
       .queue_s = seconds(report.submitted_ns, report.started_ns),
       .first_token_s = seconds(report.submitted_ns, report.first_token_ns),
       .whole_s = seconds(report.submitted_ns, report.ended_ns)});
}

void Answering::failed(const Error& error) {
  const std::lock_guard lock(mutex_);
  if (over_) return;
  over_ = true;
  for (const JobId job : jobs_) services_.host.cancel(job);
  ApiError api = api_error(error);
  // The request was checked before: what fails now is not the client's doing.
  if (api.status < 500) api.status = 503;
  if (api.status == 503) api.retry_after_s = kRetryAfter_s;
  if (begun_) {
    write(writer_->failure(api));
    return exchange_->end();
  }
  services_.metrics.count_request(route_, api.status);
  exchange_->send(error_response(api, dialect_));
}

}  // namespace

std::string sse_event(std::string_view json, std::string_view event) {
  return event.empty() ? fmt::format("data: {}\n\n", json)
                       : fmt::format("event: {}\ndata: {}\n\n", event, json);
}

Usage usage_of(std::span<const Completed> answers) {
  Usage usage;
  if (!answers.empty()) {
    usage.prompt = answers.front().report.counts.prompt_tokens;
    usage.reused = answers.front().report.counts.reused_tokens;
  }
  for (const Completed& answer : answers) usage.answer += answer.report.counts.answer_tokens;
  return usage;
}

ApiStatus start_answer(Call& call, Asked asked, std::unique_ptr<AnswerWriter> writer) {
  if (asked.prompt.empty()) return ApiError{.message = "the prompt is empty"};
  if (asked.prompt.size() >= asked.model->context) {
    return ApiError{.message = fmt::format("the prompt has {} tokens and the context holds {}, the "
                                           "answer included; shorten it",
                                           asked.prompt.size(), asked.model->context),
                    .code = "context_length_exceeded"};
  }
  TRY(runtime::check_sampling(asked.sampling, asked.model->header->parameters().vocabulary));
  const std::string owner = call.owner;
  const auto answering = std::make_shared<Answering>(call, std::move(asked), std::move(writer));
  return answering->start(owner);
}

}  // namespace freehold::server
