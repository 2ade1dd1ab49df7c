// Reads one text a line and prints its label: the library without the program.
//
// In a project of your own, with the installed package:
//     find_package(smidgen REQUIRED)
//     target_link_libraries(classify PRIVATE smidgen::smidgen)
//
//   echo "where is my card?" | classify tickets.smidgen
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "smidgen/model/classifier.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: classify BUNDLE < texts\n", stderr);
    return 64;
  }
  // Opening checks the hash of every file. A failure is a value: what, where, and what to do about it.
  const smidgen::Result<smidgen::Classifier> classifier = smidgen::Classifier::open(argv[1]);
  if (!classifier.ok()) {
    std::fprintf(stderr, "%s\n", classifier.error().message().c_str());
    return classifier.error().exit_code();
  }
  // The classifier may be shared between threads; each thread asks through a session of its own.
  auto session = classifier->session();
  std::string line;
  while (std::getline(std::cin, line)) {
    const std::vector<std::string_view> texts = {line};  // many texts at once are faster
    for (const smidgen::Answer& answer : session.classify(texts))
      std::cout << answer.label << '\t' << answer.decision.confidence << '\t' << answer.rung
                << (answer.decision.escalated ? "\task a large model" : "") << '\n';
  }
  return 0;
}
