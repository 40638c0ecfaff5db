#pragma once
// How many columns of a terminal text takes, and where a cursor may stand in it. Not a full
// segmentation (UAX #29): a cluster here is a code point with the zero-width ones after it, which
// is what terminals move by. Pure; any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace freehold::cli {

/// 0, 1 or 2. Control characters count as 1; whoever shows them replaces them.
size_t rune_columns(char32_t rune);

/// Columns of a text without line ends.
size_t text_columns(std::string_view text);

/// Bytes of the cluster that `text`, which is not empty, begins with.
size_t first_cluster(std::string_view text);

/// Bytes of the cluster that `text`, which is not empty, ends with.
size_t last_cluster(std::string_view text);

/// What people may put into a line: UTF-8 with U+FFFD for each byte that is none, line ends as \n,
/// tabs kept, other control characters left out.
std::string clean_text(std::string_view text);

/// Text from outside on its way to a terminal: as clean_text, but a control character becomes
/// U+FFFD, so that it is seen and can command nothing. \r alone is one of them.
std::string harmless_text(std::string_view text);

}  // namespace freehold::cli
