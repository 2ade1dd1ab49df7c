// The demo tasks, made from the sentences of Hutto and Gilbert, "VADER: A parsimonious rule-based model for sentiment
// analysis of social media text" (ICWSM 2014): tweets, product reviews, film reviews and editorials, each rated by 20
// people from -4 to 4.
#pragma once

#include <string>

#include "smidgen/base/result.h"

namespace smidgen {

enum class DemoTask {
  kSentiment,  // positive or negative; only rows with |mean rating| >= 0.5
  kKinds,      // which of the four kinds of text
};

struct DemoCsv {
  std::string bytes;  // columns text,label,group
  std::size_t rows = 0, groups = 0;
};

// `folder` holds the four *_GroundTruth.txt files: lines of id, tab, mean rating, tab, text; UTF-8, or Latin-1 where a
// line is not UTF-8. The group is the review or editorial a sentence comes from (the id before "_"); tweets and film
// reviews are groups of their own.
Result<DemoCsv> make_demo_csv(DemoTask task, const std::string& folder);

}  // namespace smidgen
