#include "cli/store_observer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace freehold::cli {

namespace {

constexpr int64_t kRedrawNs = 100'000'000;
constexpr size_t kBarMax = 30;

const char* phase_name(store::Phase phase) {
  switch (phase) {
    case store::Phase::kWaiting:
      return "waiting";
    case store::Phase::kFetching:
      return "fetching";
    case store::Phase::kUnpacking:
      return "unpacking";
    case store::Phase::kChecking:
      return "checking";
    case store::Phase::kQuantising:
      return "quantising";
    case store::Phase::kStoring:
      return "storing";
  }
  return "";
}

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::min(seconds, 359999.0) + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

std::string bar(double share, size_t width) {
  const auto full = static_cast<size_t>(share * static_cast<double>(width));
  return std::string(full, '#') + std::string(width - full, '.');
}

}  // namespace

void TerminalObserver::on_progress(const store::Progress& progress) {
  if (!context_.err_is_terminal) return;
  const int64_t now = context_.clock.monotonic_ns();
  if (started_ns_ == 0) {
    started_ns_ = now;
    first_bytes_ = progress.bytes_done;
  }
  if (now - drawn_ns_ < kRedrawNs && progress.bytes_done < progress.bytes_total) return;
  drawn_ns_ = now;
  const double seconds = static_cast<double>(now - started_ns_) * 1e-9;
  const double rate =
      static_cast<double>(progress.bytes_done - first_bytes_) / std::max(seconds, 1e-3);
  const double share = progress.bytes_total == 0 ? 0
                                                 : static_cast<double>(progress.bytes_done) /
                                                       static_cast<double>(progress.bytes_total);
  std::string line = fmt::format("{} ", phase_name(progress.phase));
  if (progress.parts > 1) line += fmt::format("{}/{} ", progress.part, progress.parts);
  std::string figures = fmt::format(
      " {:3.0f} % {} of {}, {}/s", share * 100, base::human_bytes(progress.bytes_done),
      base::human_bytes(progress.bytes_total), base::human_bytes(static_cast<uint64_t>(rate)));
  if (rate > 0 && progress.bytes_done < progress.bytes_total) {
    figures += fmt::format(
        ", {} left",
        duration(static_cast<double>(progress.bytes_total - progress.bytes_done) / rate));
  }
  const size_t taken = line.size() + figures.size() + 3;
  if (taken + 4 < context_.columns) {
    line += fmt::format("[{}]", bar(share, std::min(kBarMax, context_.columns - taken)));
  }
  line += figures;
  context_.err.write("\r\x1b[K" + line.substr(0, context_.columns - 1));
  context_.err.flush();
  line_open_ = true;
}

void TerminalObserver::clear_line() {
  if (line_open_) context_.err.write("\r\x1b[K");
  line_open_ = false;
}

void TerminalObserver::on_note(const std::string& note) {
  clear_line();
  context_.err.write(fmt::format("note: {}\n", note));
  context_.err.flush();
}

}  // namespace freehold::cli
