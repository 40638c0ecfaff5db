#pragma once
// CRC32C (Castagnoli polynomial 0x1EDC6F41, reflected; RFC 3720, appendix B.4): finds damage, does
// not prove origin (that is SHA-256's work). Pure; any thread.

#include <cstddef>
#include <cstdint>
#include <span>

namespace freehold::base {

/// The checksum of `bytes`, or, with `before`, of everything before them and them.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t before = 0);

/// The same from the definition, a table look-up a byte: the reference for the fast one.
uint32_t crc32c_reference(std::span<const std::byte> bytes, uint32_t before = 0);

}  // namespace freehold::base
