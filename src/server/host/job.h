#pragma once
// One answer that is wanted of a model, and who gets it. Plain values and one interface.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/engine/engine.h"
#include "server/host/served_model.h"

namespace freehold::server {

using JobId = uint64_t;

/// Why an answer ended.
enum class JobFinish { kStop, kStopString, kLength, kContext };

struct JobReport {
  JobFinish finish = JobFinish::kStop;
  std::string stop_string;  // the one that ended it
  runtime::RequestCounts counts;
  // Of the host's clock.
  int64_t submitted_ns = 0;
  int64_t started_ns = 0;
  int64_t first_token_ns = 0;
  int64_t ended_ns = 0;
};

/// What one token brought. Text may be empty: half a character, or what may become a stop string.
struct JobPiece {
  std::string_view text;
  model::TokenId token = 0;
  bool ends = false;  // the token only marks the end
  std::span<const runtime::TokenLikelihood> likelihoods;
};

/// Who gets an answer. Called on the model thread, one call at a time; must not wait. Exactly one
/// of done() and failed() comes last, unless the job is cancelled.
class JobSink {
 public:
  virtual ~JobSink() = default;
  virtual void piece(const JobPiece& piece) = 0;
  virtual void done(const JobReport& report) = 0;
  virtual void failed(const Error& error) = 0;
};

struct Job {
  std::shared_ptr<const ServedModel> model;
  std::vector<model::TokenId> prompt;  // shorter than the model's context
  runtime::SamplingOptions sampling;
  uint32_t choice = 0;
  uint64_t tokens_max = 0;  // 0: until the model stops or the context is full
  std::vector<std::string> stops;
  std::optional<uint32_t> likeliest;
  std::string owner;               // what was computed for one is never reused for another
  std::optional<int64_t> keep_ns;  // how long the model stays after it; negative: for good
  std::shared_ptr<JobSink> sink;
};

}  // namespace freehold::server
