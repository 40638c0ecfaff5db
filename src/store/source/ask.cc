#include "store/source/ask.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>

namespace freehold::store {

namespace {

constexpr int64_t kFirstPause_ms = 500;
constexpr int64_t kLongestPause_ms = 30'000;
constexpr int kRetryAfterSecondsMax = 120;
constexpr size_t kJsonBytesMax = size_t{16} << 20;
constexpr size_t kJsonDepthMax = 24;

constexpr int kUnreachableTries = 2;

}  // namespace

bool may_mend(long status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
         status == 504;
}

std::string note_of_try(const Error& error, int next, int tries, int64_t pause_ms) {
  return fmt::format("{}; try {} of {} in {:.1f} s", error.message, next, tries,
                     static_cast<double>(pause_ms) * 1e-3);
}

Status rest_unless_stopped(int64_t ms, const std::atomic<bool>* stop) {
  constexpr int64_t kStep_ms = 100;
  for (; ms > 0; ms -= kStep_ms) {
    if (stop != nullptr && stop->load()) {
      return Error{ErrorCode::kInterrupted, "stopped while waiting to try again",
                   "what was fetched is kept; run the same command to go on"};
    }
    const timespec step{0, static_cast<long>(std::min(ms, kStep_ms)) * 1'000'000};
    ::nanosleep(&step, nullptr);
  }
  return {};
}

Result<int64_t> pause_before(int next, int retry_after_seconds, const Error& error) {
  if (retry_after_seconds > kRetryAfterSecondsMax) {
    return Error{error.code,
                 fmt::format("{}, and wants us to wait {} s", error.message, retry_after_seconds),
                 "run the same command again then"};
  }
  const int64_t own = kFirstPause_ms << std::clamp(next - 2, 0, 10);
  return std::max(std::min(own, kLongestPause_ms), int64_t{retry_after_seconds} * 1000);
}

Result<io::HttpAnswer> ask(const SourceServices& services, const io::HttpRequest& request) {
  for (int attempt = 1;; ++attempt) {
    Result<io::HttpAnswer> answer = services.http.get(request);
    if (answer.ok() && !may_mend(answer->head.status)) return answer;
    if (!answer.ok() && answer.error().code != ErrorCode::kFailed) return answer;
    const Error error =
        answer.ok() ? io::status_error(request.address, answer->head) : answer.error();
    const int tries = answer.ok() ? services.tries : std::min(services.tries, kUnreachableTries);
    if (attempt >= tries) {
      return Error{error.code, fmt::format("{} (tried {} times)", error.message, attempt),
                   error.hint};
    }
    const int wanted = answer.ok() ? answer->head.retry_after_seconds() : 0;
    const int64_t pause_ms = TRY(pause_before(attempt + 1, wanted, error));
    services.observer.on_note(note_of_try(error, attempt + 1, tries, pause_ms));
    TRY(services.rest(pause_ms));
  }
}

Result<base::JsonValue> parse_answer(const std::string& address, std::string_view body) {
  Result<base::JsonValue> value =
      base::JsonValue::parse(body, {.bytes_max = kJsonBytesMax, .depth_max = kJsonDepthMax});
  if (value.ok()) return value;
  return std::move(value).error().within(io::shown_address(address) + " answers what is no JSON");
}

}  // namespace freehold::store
