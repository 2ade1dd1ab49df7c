// The likeliest ways to lose a file: naming the input, or an earlier result, as the file to write.
#pragma once

#include <span>
#include <string>

#include "smidgen/base/result.h"

namespace smidgen {

// kCannotCreate when `out` is one of `inputs`, under whatever name, or is in one that is a folder (a bundle). Empty
// names and "-" (standard streams) are no files.
Status keep_input(const std::string& out, std::span<const std::string> inputs);

// Whether both name one file, under whatever spelling; neither need exist. Devices, pipes and "-" are no files.
bool is_same_file(const std::string& one, const std::string& other);

// kCannotCreate when `input` is in `folder`, which is to be replaced as a whole.
Status keep_contents(const std::string& folder, const std::string& input);

// A usage error when `file` is the folder `folder` or lies in it; neither need exist.
Status keep_apart(const std::string& file, const std::string& folder);

// A usage error when the value of `option` is "-", where standard output is not what is written.
Status check_names_a_file(const std::string& option, const std::string& value);

// kCannotCreate when `out` is a file already, unless `force`, when it is a folder, or when its own folder is missing;
// kPermission when nothing can be written there. A pipe or device is written to.
Status keep_existing(const std::string& out, bool force);

}  // namespace smidgen
