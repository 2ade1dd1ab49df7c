// Shell commands that make a readable file of one that is not, with the file's own name in them.
#pragma once

#include <string>
#include <string_view>

namespace smidgen {

// "TOOL NAME > MADE", or "TOOL < NAME > MADE" for a tool that reads standard input only, both names quoted where a
// shell wants it. The tool alone when NAME is "<stdin>".
std::string repair_command(std::string_view tool, const std::string& name, const std::string& made,
                           bool redirect = false);

// A name for the file made: "data/mails.csv", "utf8" is "data/mails.utf8.csv", which is read as the same format.
std::string tagged_name(const std::string& name, std::string_view tag);
// "mails.json", "jsonl" is "mails.jsonl"; "mails.csv.gz", "" is "mails.csv".
std::string with_extension(const std::string& name, std::string_view extension);

}  // namespace smidgen
