#pragma once
// The manual as text: pages for man(1) and for docs/commands, made from the tables that parsing and
// help use, so that they cannot say something else. Pure; any thread.

#include <string>

#include "cli/command.h"

namespace freehold::cli {

/// What one exit code means, in every place that lists them.
struct ExitCode {
  int number;
  std::string_view name;     // one word, in error messages
  std::string_view meaning;  // a few words, in the manual
};

/// The codes of base::ErrorCode, and 0.
inline constexpr ExitCode kExitCodes[] = {
    {0, "done", "done"},
    {1, "failed", "failed: disk, network, memory or a device"},
    {2, "usage", "the command or its options are off"},
    {3, "not found", "no such file, model or package"},
    {4, "refused", "refused by policy or limit"},
    {5, "damaged", "damaged or untrusted input"},
    {130, "interrupted", "interrupted"},
};

/// A page in the language of man(7): of the program, or of one command (freehold-NAME).
std::string man_page();
std::string man_page(const Command& command);

/// A page of docs/commands, and the list of them.
std::string markdown_index();
std::string markdown_page(const Command& command);

}  // namespace freehold::cli
