#include "model/gguf/parse_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "model/gguf/header_reader.h"

namespace freehold::model {

namespace {

constexpr const char* kHarmHint =
    "The file is damaged or was made to do harm. Fetch it again from its publisher.";

// Bytes of the smallest possible records: what a count can be checked against.
constexpr uint64_t kKeyRecordBytesMin = 8 + 1 + 4 + 1;  // length, name, type, value
constexpr uint64_t kTensorRecordBytesMin =
    8 + 1 + 4 + 8 + 4 + 8;  // length, name, dims, type, offset

Error refused(std::string message) {
  return Error{ErrorCode::kRefused, std::move(message),
               "The file goes beyond what any real model needs; do not trust it."};
}

struct Parser {
  HeaderReader reader;
  const GgufLimits& limits;
  uint64_t tensors_before;

  Result<uint32_t> magic_and_version();
  Result<uint64_t> count(const char* what, uint64_t record_bytes_min, uint64_t count_max,
                         uint64_t count_before);
  Result<uint64_t> length(const char* what, uint64_t bytes_max);
  Status entry(Metadata::Data& data);
  Status key(Metadata::Data& data, Metadata::Data::Entry& entry);
  Status value(Metadata::Data& data, Metadata::Data::Entry& entry);
  Status array(Metadata::Data& data, Metadata::Data::Entry& entry);
  Status string_array(Metadata::Data& data, Metadata::Data::Entry& entry);
  Status booleans(const Metadata::Data& data, const Metadata::Data::Entry& entry);
  Result<uint32_t> alignment(const Metadata::Data& data);
  Result<TensorInfo> tensor();
  Status shape(TensorInfo& info, const std::string& name);
  Status format_and_size(TensorInfo& info, const std::string& name);
};

Error not_gguf(const char* magic) {
  struct Known {
    std::string_view start, what;
  };
  constexpr Known kKnown[] = {
      {"vers", "a Git LFS pointer, not the model itself. Run `git lfs pull` where it came from."},
      {"<!DO", "a web page, not a model. Download the file itself."},
      {"<htm", "a web page, not a model. Download the file itself."},
      {"PK\x03\x04", "a ZIP or PyTorch archive. Convert it to GGUF first."},
      {"lmgg", "an old GGML file from before GGUF. Convert the original model again."},
      {"fmgg", "an old GGMF file from before GGUF. Convert the original model again."},
      {"tjgg", "an old GGJT file from before GGUF. Convert the original model again."},
      {"FUGG", "a big-endian GGUF file. Convert it to little-endian first."}};
  std::string hint = "Give the path of a GGUF file.";
  for (const Known& known : kKnown) {
    if (std::string_view(magic, 4) == known.start)
      hint = fmt::format("It looks like {}", known.what);
  }
  return Error{
      ErrorCode::kDamaged,
      fmt::format("not a GGUF file: it begins with {}", quoted(std::string_view(magic, 4))), hint};
}

Result<uint32_t> Parser::magic_and_version() {
  const char* magic = TRY(reader.need(4, "the magic number"));
  if (std::string_view(magic, 4) != "GGUF") return not_gguf(magic);
  const uint32_t version = TRY(reader.number<uint32_t>("the version"));
  if (version == 2 || version == 3) return version;
  const uint32_t swapped = __builtin_bswap32(version);
  if (version > 0xFFFF && swapped <= 0xFFFF) {
    return Error{ErrorCode::kRefused, fmt::format("a big-endian GGUF file (version {})", swapped),
                 "Convert it to little-endian first."};
  }
  return Error{ErrorCode::kRefused, fmt::format("GGUF version {} is not 2 or 3", version),
               version == 1 ? "Convert the original model again; version 1 was short-lived."
                            : "A newer program may know it."};
}

// A count of records that follow. Checked against the bytes left first: a count which the file
// cannot hold is a lie, whatever the limit.
Result<uint64_t> Parser::count(const char* what, uint64_t record_bytes_min, uint64_t count_max,
                               uint64_t count_before) {
  const uint64_t number = TRY(reader.number<uint64_t>(what));
  const uint64_t room = reader.remaining() / record_bytes_min;
  if (number > room) {
    return reader.damaged(
        fmt::format("{} is {}, but the file has room for at most {}", what, number, room));
  }
  if (number > count_max - std::min(count_before, count_max)) {
    return refused(
        fmt::format("{} is {}; the limit is {}", what, number + count_before, count_max));
  }
  return number;
}

Result<uint64_t> Parser::length(const char* what, uint64_t bytes_max) {
  const uint64_t bytes = TRY(reader.number<uint64_t>(what));
  if (bytes > reader.remaining()) {
    return reader.damaged(fmt::format("the length of {} is {}, but the file has only {} bytes left",
                                      what, bytes, reader.remaining()));
  }
  if (bytes > bytes_max) {
    return refused(fmt::format("the length of {} at byte {} is {}; the limit is {}", what,
                               reader.position(), bytes, bytes_max));
  }
  return bytes;
}

Status Parser::key(Metadata::Data& data, Metadata::Data::Entry& entry) {
  const uint64_t bytes = TRY(length("a key", limits.key_bytes));
  if (bytes == 0) return reader.damaged("a key is empty");
  entry.key_offset = data.arena.size();
  entry.key_bytes = static_cast<uint32_t>(bytes);
  TRY(reader.append_to(data.arena, bytes, "a key"));
  for (const char c : data.key(entry)) {
    if (c <= 0x20 || c >= 0x7F) {
      return reader.damaged(
          fmt::format("the key {} is not printable ASCII", quoted(data.key(entry))));
    }
  }
  return {};
}

Status Parser::string_array(Metadata::Data& data, Metadata::Data::Entry& entry) {
  const bool tokens = data.key(entry).substr(0, 10) == "tokenizer.";
  const uint64_t bytes_max = tokens ? limits.token_bytes : limits.string_bytes;
  // Grows as bytes are read, not by what the count claims.
  for (uint64_t i = 0; i < entry.value.count; ++i) {
    const uint64_t bytes = TRY(length("a string in an array", bytes_max));
    TRY(reader.append_to(data.arena, bytes, "a string in an array"));
    data.ends.push_back(static_cast<uint32_t>(data.arena.size() - entry.value.offset));
  }
  return {};
}

Status Parser::booleans(const Metadata::Data& data, const Metadata::Data::Entry& entry) {
  for (uint64_t i = 0; i < entry.value.count; ++i) {
    const char byte = *data.bytes_at(entry.value, i);
    if (byte != 0 && byte != 1) {
      return reader.damaged(fmt::format("a boolean is {}, not 0 or 1",
                                        static_cast<int>(static_cast<unsigned char>(byte))));
    }
  }
  return {};
}

Status Parser::array(Metadata::Data& data, Metadata::Data::Entry& entry) {
  const uint32_t type = TRY(reader.number<uint32_t>("an array's element type"));
  if (!is_value_type(type)) {
    return reader.damaged(
        fmt::format("the array's element type is {}, which GGUF does not have", type));
  }
  entry.value.element = static_cast<ValueType>(type);
  if (entry.value.element == ValueType::kArray) {
    return refused("an array of arrays; arrays nest one level deep here");
  }
  const bool strings = entry.value.element == ValueType::kString;
  const uint64_t element_bytes = strings ? 8 : value_bytes(entry.value.element);
  // A string costs its length field at least. No limit beside the bytes: the header is bounded.
  entry.value.count = TRY(count("an array's count", element_bytes, UINT64_MAX, 0));
  if (strings) return string_array(data, entry);
  TRY(reader.append_to(data.arena, entry.value.count * element_bytes, "an array"));
  if (entry.value.element == ValueType::kBool) return booleans(data, entry);
  return {};
}

Status Parser::value(Metadata::Data& data, Metadata::Data::Entry& entry) {
  const uint32_t type = TRY(reader.number<uint32_t>("a value's type"));
  if (!is_value_type(type)) {
    return reader.damaged(fmt::format("the value's type is {}, which GGUF does not have", type));
  }
  entry.value.type = entry.value.element = static_cast<ValueType>(type);
  entry.value.offset = data.arena.size();
  entry.value.first_end = data.ends.size();
  if (entry.value.type == ValueType::kArray) return array(data, entry);
  if (entry.value.type == ValueType::kString) {
    const uint64_t bytes = TRY(length("a string", limits.string_bytes));
    data.ends.push_back(static_cast<uint32_t>(bytes));
    return reader.append_to(data.arena, bytes, "a string");
  }
  const uint32_t bytes = value_bytes(entry.value.type);
  data.arena.append(TRY(reader.need(bytes, "a value")), bytes);
  if (entry.value.type == ValueType::kBool) return booleans(data, entry);
  return {};
}

Status Parser::entry(Metadata::Data& data) {
  Metadata::Data::Entry entry;
  TRY(key(data, entry));
  Status read = value(data, entry);
  if (!read.ok()) return std::move(read).error().within("key " + quoted(data.key(entry)));
  data.entries.push_back(entry);
  return {};
}

Result<uint32_t> Parser::alignment(const Metadata::Data& data) {
  const Metadata::Data::Value* value = data.find("general.alignment");
  if (value == nullptr) return limits.alignment_default;
  if (value->type != ValueType::kU32) {
    return Error{
        ErrorCode::kDamaged,
        fmt::format("key 'general.alignment' is of type {}, not u32", value_type_name(value->type)),
        kHarmHint};
  }
  const uint32_t alignment = base::load_le<uint32_t>(data.bytes_at(*value, 0));
  const bool power_of_two = alignment != 0 && (alignment & (alignment - 1)) == 0;
  if (!power_of_two || alignment < limits.alignment_min || alignment > limits.alignment_max) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("key 'general.alignment' is {}, not a power of two from {} to {}",
                             alignment, limits.alignment_min, limits.alignment_max),
                 kHarmHint};
  }
  return alignment;
}

Status Parser::shape(TensorInfo& info, const std::string& name) {
  info.dimensions = TRY(reader.number<uint32_t>("a tensor's dimension count"));
  if (info.dimensions == 0 || info.dimensions > limits.dimensions) {
    return reader.damaged(fmt::format("tensor {} has {} dimensions, not 1 to {}", name,
                                      info.dimensions, limits.dimensions));
  }
  uint64_t values = 1;
  for (uint32_t i = 0; i < info.dimensions; ++i) {
    info.dims[i] = TRY(reader.number<uint64_t>("a tensor's dimension"));
    if (info.dims[i] == 0) {
      return reader.damaged(fmt::format("tensor {} has a dimension of 0", name));
    }
    const auto product = base::checked_multiply(values, info.dims[i]);
    if (!product || *product > static_cast<uint64_t>(INT64_MAX)) {
      return reader.damaged(fmt::format("tensor {} has more values than 63 bits can count", name));
    }
    values = *product;
  }
  return {};
}

Error unknown_format(const std::string& name, uint32_t type_id) {
  constexpr uint32_t kRemoved[] = {4, 5, 31, 32, 33, 36, 37, 38};
  if (std::find(std::begin(kRemoved), std::end(kRemoved), type_id) != std::end(kRemoved)) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("tensor {} has format number {}, which GGUF has withdrawn", name, type_id),
        "Convert the original model again with a current converter."};
  }
  return Error{
      ErrorCode::kRefused,
      fmt::format("tensor {} is stored as {} (format number {}), which is not supported", name,
                  quant::known_type_name(type_id), type_id),
      "Use a file with Q4_K_M, Q8_0 or another format that `freehold help formats` lists."};
}

Status Parser::format_and_size(TensorInfo& info, const std::string& name) {
  const uint32_t type_id = TRY(reader.number<uint32_t>("a tensor's format"));
  info.format = quant::find_format(type_id);
  if (info.format == nullptr) return unknown_format(name, type_id);
  const quant::Format& format = *info.format;
  if (info.width() % format.block_values != 0) {
    return reader.damaged(fmt::format("tensor {} has rows of {} values, not a multiple of {}'s {}",
                                      name, info.width(), format.name, format.block_values));
  }
  const auto bytes =
      base::checked_multiply(info.width() / format.block_values * info.rows(), format.block_bytes);
  if (!bytes) {
    return reader.damaged(fmt::format("tensor {} has more bytes than 64 bits can count", name));
  }
  info.bytes = *bytes;
  return {};
}

Result<TensorInfo> Parser::tensor() {
  TensorInfo info;
  const uint64_t name_bytes = TRY(length("a tensor's name", limits.tensor_name_bytes));
  if (name_bytes == 0) return reader.damaged("a tensor's name is empty");
  TRY(reader.append_to(info.name, name_bytes, "a tensor's name"));
  const std::string name = quoted(info.name);
  for (const char c : info.name) {
    if (c <= 0x20 || c >= 0x7F) {
      return reader.damaged(fmt::format("the tensor name {} is not printable ASCII", name));
    }
  }
  TRY(shape(info, name));
  TRY(format_and_size(info, name));
  info.offset = TRY(reader.number<uint64_t>("a tensor's offset"));
  return info;
}

Error misplaced(const TensorInfo& info, const std::string& message) {
  return Error{ErrorCode::kDamaged, fmt::format("tensor {} {}", quoted(info.name), message),
               kHarmHint};
}

// Turns offsets into the data section into offsets in the file. Tensors lie one after another in
// file order, each padded to the alignment: no overlap, no hidden bytes, nothing outside.
Status place_tensors(std::vector<TensorInfo>& tensors, uint64_t header_end, uint64_t file_size,
                     uint64_t alignment) {
  const uint64_t data_start = base::align_up(header_end, alignment);
  uint64_t expected = 0;  // where the next tensor must begin, from data_start
  uint64_t end = header_end;
  for (TensorInfo& info : tensors) {
    if (info.offset % alignment != 0) {
      return misplaced(info, fmt::format("has offset {}, not a multiple of the alignment {}",
                                         info.offset, alignment));
    }
    const auto begin = base::checked_add(data_start, info.offset);
    const auto stop = begin ? base::checked_add(*begin, info.bytes) : std::nullopt;
    if (!stop) {
      return misplaced(info, fmt::format("at offset {} with {} bytes ends beyond 64 bits",
                                         info.offset, info.bytes));
    }
    if (*stop > file_size) {
      return misplaced(
          info, fmt::format("ends at byte {}, but the file ends at byte {}", *stop, file_size));
    }
    if (info.offset < expected) {
      return misplaced(info, fmt::format("at offset {} overlaps the tensor before it, which ends "
                                         "at {}",
                                         info.offset, expected));
    }
    if (info.offset > expected) {
      return misplaced(info, fmt::format("at offset {} leaves unexplained bytes behind the tensor "
                                         "before it, which ends at {}",
                                         info.offset, expected));
    }
    info.offset = *begin;
    end = *stop;
    expected = base::align_up(*stop, alignment) - data_start;  // *stop <= file_size: cannot wrap
  }
  const uint64_t padded_end = base::align_up(end, alignment);
  if (file_size > padded_end) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("{} unexplained bytes follow the tensor data, which ends at byte {}",
                             file_size - end, end),
                 kHarmHint};
  }
  return {};
}

}  // namespace

Result<ParsedFile> parse_file(io::ReadableFile& file, const GgufLimits& limits,
                              uint64_t tensors_before) {
  Parser parser{HeaderReader(file, limits.header_bytes), limits, tensors_before};
  ParsedFile parsed;
  parsed.version = TRY(parser.magic_and_version());
  const uint64_t tensor_count =
      TRY(parser.count("the tensor count", kTensorRecordBytesMin, limits.tensors, tensors_before));
  const uint64_t key_count = TRY(parser.count("the key count", kKeyRecordBytesMin, limits.keys, 0));
  auto data = std::make_unique<Metadata::Data>();
  for (uint64_t i = 0; i < key_count; ++i) TRY(parser.entry(*data));
  if (const Metadata::Data::Entry* twin = data->finish()) {
    return Error{ErrorCode::kDamaged,
                 fmt::format("key {} is there twice", quoted(data->key(*twin))), kHarmHint};
  }
  const uint32_t alignment = TRY(parser.alignment(*data));
  for (uint64_t i = 0; i < tensor_count; ++i) parsed.tensors.push_back(TRY(parser.tensor()));
  TRY(place_tensors(parsed.tensors, parser.reader.position(), file.size(), alignment));
  parsed.metadata = Metadata(std::move(data));
  return parsed;
}

}  // namespace freehold::model
