#pragma once
// Draws the store's long work on a terminal, one line that is rewritten; without a terminal only
// its notes. Times come from the context's clock.

#include <string>

#include "cli/command.h"
#include "store/observer.h"

namespace freehold::cli {

class TerminalObserver final : public store::Observer {
 public:
  explicit TerminalObserver(Context& context) : context_(context) {}
  ~TerminalObserver() override { clear_line(); }
  void on_progress(const store::Progress& progress) override;
  void on_note(const std::string& note) override;
  bool cancelled() override { return context_.interrupted.load(); }

 private:
  void clear_line();
  Context& context_;
  int64_t started_ns_ = 0;
  int64_t drawn_ns_ = 0;
  uint64_t first_bytes_ = 0;
  bool line_open_ = false;
};

}  // namespace freehold::cli
