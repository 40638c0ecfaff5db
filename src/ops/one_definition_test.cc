// The trap of src/ops/README.md, as a test: reads the rooms' static libraries and fails where a
// weak function (an inline one that was not inlined) is defined by objects of different instruction
// sets, since the linker would keep whichever it met first.

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace freehold::ops {
namespace {

/// By weak function: the instruction sets of the objects that define it.
using Definitions = std::map<std::string, std::set<std::string>>;

std::string instruction_set(const std::string& object) {
  for (const char* suffix : {"_avx512vnni.cc.o", "_avx512.cc.o", "_avx2.cc.o", "_baseline.cc.o"}) {
    if (object.size() > std::strlen(suffix) &&
        object.compare(object.size() - std::strlen(suffix), std::string::npos, suffix) == 0) {
      return suffix;
    }
  }
  return "plain";
}

template <class T>
T read_at(const std::string& bytes, size_t offset) {
  T value{};
  if (offset + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// Adds the weak functions that an ELF object defines.
void add_weak_functions(const std::string& elf, const std::string& set, Definitions& definitions) {
  const auto header = read_at<Elf64_Ehdr>(elf, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return;
  for (size_t index = 0; index < header.e_shnum; ++index) {
    const auto section = read_at<Elf64_Shdr>(elf, header.e_shoff + index * sizeof(Elf64_Shdr));
    if (section.sh_type != SHT_SYMTAB) continue;
    const auto names =
        read_at<Elf64_Shdr>(elf, header.e_shoff + section.sh_link * sizeof(Elf64_Shdr));
    for (size_t at = 0; at + sizeof(Elf64_Sym) <= section.sh_size; at += sizeof(Elf64_Sym)) {
      const auto symbol = read_at<Elf64_Sym>(elf, section.sh_offset + at);
      if (ELF64_ST_BIND(symbol.st_info) != STB_WEAK || symbol.st_shndx == SHN_UNDEF) continue;
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
      definitions[elf.c_str() + names.sh_offset + symbol.st_name].insert(set);
    }
  }
}

/// Every object of an archive (System V or GNU format, ar(5)).
size_t add_archive(const std::string& path, Definitions& definitions) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  std::string long_names;
  size_t objects = 0;
  for (size_t at = 8; at + 60 <= bytes.size();) {
    std::string name = bytes.substr(at, 16);
    name.erase(name.find_last_not_of(' ') + 1);
    const size_t size = std::stoul(bytes.substr(at + 48, 10));
    const std::string content = bytes.substr(at + 60, size);
    if (name == "//") {
      long_names = content;
    } else if (name != "/") {
      if (name[0] == '/') name = long_names.substr(std::stoul(name.substr(1)));
      name = name.substr(0, name.find('/'));
      add_weak_functions(content, instruction_set(name), definitions);
      ++objects;
    }
    at += 60 + size + size % 2;
  }
  return objects;
}

/// Weak functions that objects of more than one instruction set define.
std::vector<std::string> shared(const Definitions& definitions) {
  std::vector<std::string> names;
  for (const auto& [name, sets] : definitions) {
    if (sets.size() > 1) names.push_back(name);
  }
  return names;
}

TEST(OneDefinition, NoFunctionIsSharedBetweenInstructionSets) {
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "only optimised builds without sanitizers are meant for older processors";
#endif
  Definitions definitions;
  for (const char* room : {"base", "io", "device", "quant", "ops"}) {
    const std::string path = std::string(FREEHOLD_BUILD_DIR) + "/lib" + room + ".a";
    EXPECT_GT(add_archive(path, definitions), 0u) << path;
  }
  EXPECT_GT(definitions.size(), 10u);  // The reader does read.
  for (const std::string& name : shared(definitions)) ADD_FAILURE() << name;
}

// Mutant: the same function in two objects of different instruction sets is found.
TEST(OneDefinition, SharingIsSeen) {
  Definitions definitions;
  definitions["f"] = {instruction_set("exp_ref.cc.o"), instruction_set("exp_avx512.cc.o")};
  definitions["g"] = {instruction_set("a_avx2.cc.o"), instruction_set("b_avx2.cc.o")};
  EXPECT_EQ(shared(definitions), std::vector<std::string>{"f"});
}

}  // namespace
}  // namespace freehold::ops
