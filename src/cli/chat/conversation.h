#pragma once
// Conversations and typed lines in files: HOME/chats/NAME.json by /save and /load, and
// HOME/chat-history. Private to their owner, bounded, written aside and renamed. Pure but for the
// FileSystem that is given.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "model/template/chat_template.h"

namespace freehold::cli {

inline constexpr uint64_t kConversationBytesMax = uint64_t{16} << 20;
inline constexpr uint64_t kHistoryBytesMax = uint64_t{1} << 20;

struct Conversation {
  std::string model;  // as it was named; for people
  std::string system;
  std::vector<model::ChatMessage> messages;  // roles system, user and assistant
};

std::string encode_conversation(const Conversation& conversation);
/// kDamaged naming what is off.
Result<Conversation> parse_conversation(std::string_view text);

/// kUsage unless `name` is 1 to 64 letters, digits, dots, dashes and underlines that do not begin
/// with a dot.
Status check_conversation_name(std::string_view name);
Status save_conversation(io::FileSystem& files, const std::string& home, const std::string& name,
                         const Conversation& conversation);
Result<Conversation> load_conversation(io::FileSystem& files, const std::string& home,
                                       const std::string& name);
/// Names of what is saved, sorted.
std::vector<std::string> saved_conversations(io::FileSystem& files, const std::string& home);

/// Lines of the history's file to entries and back: one entry a line, \n and \\ for what a line
/// cannot hold. Any bytes give some entries; what is no text is replaced.
std::vector<std::string> parse_history(std::string_view text);
std::string encode_history_entry(std::string_view entry);

/// The kept entries, oldest first. A file that grew over its bounds is cut to the newest half.
Result<std::vector<std::string>> load_history(io::FileSystem& files, const std::string& home,
                                              size_t entries_max);
Status append_history(io::FileSystem& files, const std::string& home, std::string_view entry);

/// Replaces `path` by `content` in one step; mode 0600 from the first byte.
Status write_privately(io::FileSystem& files, const std::string& path, std::string_view content);

}  // namespace freehold::cli
