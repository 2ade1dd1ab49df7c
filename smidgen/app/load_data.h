// A labelled file for pick, train and eval, with a word on standard error about how it was read.
#pragma once

#include <string>

#include "smidgen/app/app.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

Result<Dataset> load_data(const std::string& path, const ReadOptions& read, const App& app);

// "tickets.csv: columns are separated by semicolons"; nothing when `delimiter` is 0.
void say_delimiter(const std::string& path, char delimiter, const App& app);

// A table whose name does not say so, or on standard input, is read as plain lines: a first `record` that reads like
// the header of one is warned of.
void warn_of_table(const std::string& path, const ReadOptions& read, const Record& record, const App& app);

// What to say when BUNDLE is none: its own error, with a hint where the words stand in the wrong order (`other` is the
// bundle; empty: there is no other word), or where a bundle of nearly this name is there.
Error bundle_error(Error error, const std::string& bundle, const std::string& other = {}, const char* order = "");

// A missing file (kNoInput) with what to do: the nearest name in its folder, when one is near. Any other error, and one
// about any other file, as it is.
Error missing_file(Error error, const std::string& path);

}  // namespace smidgen
