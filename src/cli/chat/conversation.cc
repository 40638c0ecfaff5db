#include "cli/chat/conversation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "cli/line/text_width.h"

namespace freehold::cli {

namespace {

constexpr std::string_view kEnding = ".json";
constexpr size_t kNameBytesMax = 64;
constexpr uint64_t kVersion = 1;

std::string folder(const std::string& home) { return home + "/chats"; }

std::string path_of(const std::string& home, const std::string& name) {
  return folder(home) + "/" + name + std::string(kEnding);
}

std::string history_path(const std::string& home) { return home + "/chat-history"; }

Error damaged(std::string what) {
  return Error{ErrorCode::kDamaged, "the conversation " + std::move(what), "save it again"};
}

Status append_text(io::WritableFile& file, std::string_view text) {
  return file.append(std::as_bytes(std::span(text)));
}

}  // namespace

std::string encode_conversation(const Conversation& conversation) {
  std::string text;
  base::JsonWriter json(text, base::JsonWriter::Layout::kIndented);
  json.begin_object().field("version", kVersion).field("model", conversation.model);
  json.field("system", conversation.system).key("messages").begin_array();
  for (const model::ChatMessage& message : conversation.messages) {
    json.begin_object().field("role", message.role).field("content", message.content).end_object();
  }
  json.end_array().end_object();
  return text + "\n";
}

Result<Conversation> parse_conversation(std::string_view text) {
  const base::JsonValue root =
      TRY(base::JsonValue::parse(text, {.bytes_max = kConversationBytesMax, .depth_max = 4}));
  if (!root.is_object()) return damaged("is no JSON object");
  if (root.find_unsigned("version") != kVersion) return damaged("is of a version not known here");
  Conversation conversation;
  conversation.model = root.find_string("model").value_or("");
  conversation.system = root.find_string("system").value_or("");
  const base::JsonValue* messages = root.find("messages");
  if (messages == nullptr || !messages->is_array()) return damaged("has no messages");
  for (const base::JsonValue& message : messages->elements()) {
    const auto role = message.find_string("role");
    const auto content = message.find_string("content");
    if (!role || !content) return damaged("has a message without role or content");
    if (*role != "system" && *role != "user" && *role != "assistant") {
      return damaged(fmt::format("has a message of the role {}", base::printable(*role)));
    }
    conversation.messages.push_back({std::string(*role), std::string(*content), {}});
  }
  return conversation;
}

Status check_conversation_name(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
                    });
  if (fits) return {};
  return Error{ErrorCode::kUsage,
               fmt::format("{} is no name for a conversation", base::printable(name)),
               "letters, digits, dots, dashes and underlines make one, as in holiday-plans"};
}

Status write_privately(io::FileSystem& files, const std::string& path, std::string_view content) {
  const std::string aside = path + ".new";
  if (const Status removed = files.remove(aside);
      !removed.ok() && removed.error().code != ErrorCode::kNotFound) {
    return removed;
  }
  const auto file = TRY(files.create(aside, io::WriteMode::kCreatePrivate));
  TRY(append_text(*file, content));
  TRY(file->sync());
  TRY(file->close());
  TRY(files.rename(aside, path));
  return files.sync_directory(io::parent_path(path));
}

Status save_conversation(io::FileSystem& files, const std::string& home, const std::string& name,
                         const Conversation& conversation) {
  TRY(check_conversation_name(name));
  const std::string text = encode_conversation(conversation);
  if (text.size() > kConversationBytesMax) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("the conversation is longer than {}", base::human_bytes(kConversationBytesMax)),
        "/compact makes it shorter"};
  }
  TRY(files.make_directories(folder(home)));
  return write_privately(files, path_of(home, name), text);
}

Result<Conversation> load_conversation(io::FileSystem& files, const std::string& home,
                                       const std::string& name) {
  TRY(check_conversation_name(name));
  const auto text = io::read_small_file(files, path_of(home, name), kConversationBytesMax);
  if (text.ok()) return parse_conversation(*text);
  if (text.error().code != ErrorCode::kNotFound) return text.error();
  return Error{ErrorCode::kNotFound, fmt::format("no conversation {} is saved", name),
               "/load alone lists what is"};
}

std::vector<std::string> saved_conversations(io::FileSystem& files, const std::string& home) {
  std::vector<std::string> names;
  const auto entries = files.list(folder(home));
  if (!entries.ok()) return names;
  for (const io::DirectoryEntry& entry : *entries) {
    if (entry.is_directory || !entry.name.ends_with(kEnding)) continue;
    std::string name = entry.name.substr(0, entry.name.size() - kEnding.size());
    if (check_conversation_name(name).ok()) names.push_back(std::move(name));
  }
  return names;
}

std::string encode_history_entry(std::string_view entry) {
  std::string out;
  for (const char c : entry) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\') {
      out += "\\\\";
    } else {
      out += c;
    }
  }
  return out;
}

std::vector<std::string> parse_history(std::string_view text) {
  std::vector<std::string> entries;
  for (const std::string_view line : base::split(text, '\n')) {
    std::string entry;
    for (size_t at = 0; at < line.size(); ++at) {
      const bool escaped = line[at] == '\\' && at + 1 < line.size();
      if (escaped) ++at;
      entry += escaped && line[at] == 'n' ? '\n' : line[at];
    }
    entry = clean_text(entry);
    if (!entry.empty()) entries.push_back(std::move(entry));
  }
  return entries;
}

Result<std::vector<std::string>> load_history(io::FileSystem& files, const std::string& home,
                                              size_t entries_max) {
  const std::string path = history_path(home);
  auto text = io::read_small_file(files, path, 2 * kHistoryBytesMax);
  if (!text.ok()) {
    if (text.error().code == ErrorCode::kNotFound) return std::vector<std::string>{};
    return std::move(text).error();
  }
  std::vector<std::string> entries = parse_history(*text);
  if (entries.size() <= entries_max && text->size() <= kHistoryBytesMax) return entries;
  std::string kept;
  size_t first = entries.size();
  while (first > 0 && entries.size() - first < entries_max / 2) {
    const std::string line = encode_history_entry(entries[first - 1]) + "\n";
    if (kept.size() + line.size() > kHistoryBytesMax / 2) break;
    kept.insert(0, line);
    --first;
  }
  entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(first));
  TRY(write_privately(files, path, kept));
  return entries;
}

Status append_history(io::FileSystem& files, const std::string& home, std::string_view entry) {
  const std::string line = encode_history_entry(entry) + "\n";
  const std::string path = history_path(home);
  // What would push everything else out is not worth keeping.
  if (line.size() > kHistoryBytesMax / 4) return {};
  if (const auto there = files.stat(path); !there.ok()) {
    if (there.error().code != ErrorCode::kNotFound) return there.error();
    TRY(files.make_directories(home));
    return write_privately(files, path, line);
  } else if (there->size > 2 * kHistoryBytesMax - line.size()) {
    return {};
  }
  const auto file = TRY(files.create(path, io::WriteMode::kAppend));
  TRY(append_text(*file, line));
  return file->close();
}

}  // namespace freehold::cli
