// What help says about each verb: one line, and examples, which come first.
#pragma once

#include <array>
#include <string_view>

namespace smidgen {

struct VerbText {
  std::string_view name, summary, examples;
};

inline constexpr std::array<VerbText, 12> kVerbs = {{
    {"pick", "find the smallest model that is good enough, certify it and write a bundle",
     "  smidgen pick tickets.csv --accuracy 0.95 --out tickets.smidgen\n"
     "  smidgen pick mails.jsonl --text-column body --label-column folder --group thread \\\n"
     "      --accuracy 0.9 --recall fraud=0.98 --out mails.smidgen\n"},
    {"train", "train one rung on all rows of a file; certifies nothing",
     "  smidgen train tickets.csv --rung linear --out tickets.smidgen\n"
     "  smidgen train tickets.csv --rung blend --encoder all-minilm-l6-v2 --out tickets.smidgen\n"
     "  smidgen train squad.json --task question-answering --out answerer --minutes-max 60\n"
     "  smidgen train entities.conll --task token-classification --out tagger\n"},
    {"eval", "measure a bundle on a labelled file",
     "  smidgen eval tickets.smidgen test.csv\n"
     "  smidgen eval tickets.smidgen test.jsonl --json\n"},
    {"run", "answer texts: one JSON line each",
     "  smidgen run tickets.smidgen new.csv > answers.jsonl\n"
     "  smidgen run tickets.smidgen --text \"where is my card?\" --top 3\n"
     "  tail -f mails.jsonl | smidgen run tickets.smidgen --text-column body\n"
     "  smidgen run all-minilm-l6-v2 mails.csv --labels billing,delivery,refund      # no training\n"
     "  smidgen run tagger mails.csv                  # the entities of each row, by a model that tags words\n"},
    {"ask", "find the answer to a question in a passage",
     "  smidgen ask distilbert-squad --passage contract.txt \"When does it end?\"\n"
     "  smidgen ask distilbert-squad --questions questions.jsonl --json > answers.jsonl\n"},
    {"show", "say what is in a bundle and what its certificate claims",
     "  smidgen show tickets.smidgen\n"
     "  smidgen show tickets.smidgen --json\n"},
    {"pull", "fetch the default encoder or the demo data, pinned by SHA-256",
     "  smidgen pull                                  # what there is\n"
     "  smidgen pull all-minilm-l6-v2\n"
     "  smidgen pull demo-sentiment --out demo.csv\n"},
    {"bench", "time an encoder on this machine, by length, batch and threads",
     "  smidgen bench all-minilm-l6-v2\n"
     "  smidgen bench tickets.smidgen --tokens 16,128 --batch 1,32 --threads 1 --json\n"},
    {"plan", "say which rows to label next, and what to expect of them",
     "  smidgen plan mails.csv --rows 100 --out label-these.csv             # nothing is labelled yet\n"
     "  smidgen plan labelled.csv mails.csv --rows 200 --out label-these.csv\n"
     "  smidgen plan labelled.csv mails.csv --accuracy 0.95 --json\n"},
    {"doctor", "say what this machine can do and what is missing",
     "  smidgen doctor\n"
     "  smidgen doctor --json\n"},
    {"completion", "print the script that completes commands in a shell",
     "  source <(smidgen completion bash)                                        # this shell; or in ~/.bashrc\n"
     "  smidgen completion zsh > ~/.zfunc/_smidgen                               # a folder of $fpath\n"
     "  smidgen completion fish > ~/.config/fish/completions/smidgen.fish\n"},
    {"man", "print the manual page",
     "  smidgen man | man -l -\n"
     "  smidgen man > ~/.local/share/man/man1/smidgen.1\n"},
}};

inline constexpr std::string_view kFirstSteps =
    "  smidgen pick tickets.csv --accuracy 0.95 --out tickets.smidgen   # find the cheapest thing that is good enough\n"
    "  smidgen run tickets.smidgen new.csv > answers.jsonl               # answer a file or a stream\n"
    "  smidgen run tickets.smidgen --text \"where is my card?\"\n";

inline constexpr std::string_view kPurpose = "find, train, prove and run the smallest language model that does the job";
inline constexpr std::string_view kHelpText = "examples and options; after a command, its own",
                                  kVersionText = "version and commit";

// One for each ErrorKind, and 0 (base/result.h; the numbers are those of sysexits.h).
struct ExitCodeText {
  int code;
  std::string_view meaning;
};

inline constexpr std::array<ExitCodeText, 13> kExitCodes = {{
    {0, "done"},
    {1, "ran, goal not reached (pick: not certified; doctor: something is missing)"},
    {64, "wrong usage"},
    {65, "bad data"},
    {66, "no such input"},
    {69, "a tool or the network is missing"},
    {70, "a bug of ours"},
    {73, "cannot create output"},
    {74, "read or write failed; disk or memory full"},
    {75, "locked by another smidgen; try again"},
    {77, "not permitted"},
    {78, "bad configuration"},
    {130, "interrupted"},
}};

}  // namespace smidgen
