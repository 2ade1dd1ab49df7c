// Which rows are fitted on, tuned on and certified on (docs/certificates.md, "Units and splits").
//
// A unit with a row that was chosen for its text (Dataset::chosen, docs/labels.md), whoever labelled that row, goes
// wholly to fit: what was picked because it is hard, or typical, is no sample of the rows to come, so nothing may be
// certified on it. Tune takes such a unit only where certify is empty and there are too few others.
//
// Whole units move, never rows: no unit is in two parts. (Groups may share texts; `pick` counts those.) Of a unit that
// certifies one row counts, none of a label with too few units: those rows are then not used at all, for whether the
// others certify must not hang on them.
//
// Whether a unit is certified on is a fixed salted hash of its key against a threshold, not a matter of the seed or of
// its place in the file. So trying seeds cannot shop for a lucky split, and as rows are added the threshold (400 units,
// then 20 %) only falls: a unit may leave certify for fit or tune, none ever goes the other way. Two exceptions, both
// reported: a label that grows to 5 units becomes certifiable, and with it units that were fitted on before; and with a
// time column certify is the newest units by definition, and the newest row of each counts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

inline constexpr char kDefaultSplitSalt[] = "smidgen-1";
inline constexpr std::size_t kUnitsMinToSplit = 20;
inline constexpr std::size_t kUnitsMinToTrain = 10;  // where nothing is certified on
inline constexpr std::size_t kUnitsMinPerLabel = 5;  // a label with fewer certifies nothing

// Shares of all units; they sum to 1.
struct SplitShares {
  double fit = 0, tune = 0, certify = 0;
};
// "70/10/20" (percent) or "0.7/0.1/0.2": fit and tune > 0, certify >= 0, sum 100 or 1. kUsage otherwise.
Result<SplitShares> parse_split_shares(std::string_view text);
// certify = max(20 %, min(400 units, 40 %)), tune = 15 % of the rest. `units`: those that may certify.
SplitShares default_split_shares(std::size_t units);

struct SplitOptions {
  std::optional<SplitShares> shares = {};  // default_split_shares when absent
  std::string salt = kDefaultSplitSalt;    // of the certification split; recorded in the certificate
  std::uint64_t seed = 0;                  // moves units between fit and tune only
  bool certify_elsewhere = false;          // certify stays empty: an own file is certified on (one_row_per_unit)
};

struct Split {
  std::vector<std::uint32_t> fit, tune, certify;  // row numbers, rising; certify has one row a unit
  std::size_t units_fit = 0, units_tune = 0, units_certify = 0;
  std::size_t rows_unused = 0;                      // rows of certify units beside the one that counts
  std::vector<std::uint32_t> labels_too_few;        // fewer than 5 units, or all of them fell to certify: no row of
                                                    // these certifies, and outside of certify's units all are in fit
  std::vector<std::uint32_t> labels_not_learned;    // of these: no row in fit or tune
  std::vector<std::uint32_t> labels_not_certified;  // no row in certify (labels_too_few among them)
  SplitShares shares;                               // as asked for; the parts differ by chance
  std::string salt;
  bool by_time = false;
  std::size_t units_chosen = 0;  // wholly in fit, because a row of theirs was chosen (Dataset::chosen)
  std::string id;                // names the certify units and the salt: what AttemptLog counts by
};

// Where people gave some of the labels and models others (Dataset::sources), only people's certify.
// By time when data.times is not empty: certify takes the newest units, a unit being as new as its newest row of a
// label with enough units, which is the one that counts (equal times are ordered by hash). Fails (kBadData) with the
// number of units needed when there are too few, or when times cannot be compared; kUsage where times meet labels of
// both people and models: what those labelled would be as new as what certifies. kUsage, too, where groups or times
// meet chosen rows (refuse_chosen).
Result<Split> make_split(const Dataset& data, const SplitOptions& options);

// kUsage when `data` has chosen rows and is grouped or has times: one chosen row would take its whole group, or the
// newest rows, out of certify, so that whoever chose decided who certifies. A distinct text is no such group: it is
// either kept for random rows or may be chosen (plan_labels.h).
Status refuse_chosen(const Dataset& data);

// Whether the hash of a unit is one that certifies, of the default salt and without times; if its label does.
bool below_certify_share(std::string_view unit_key, const SplitShares& shares);

// By unit: whether one of its rows was chosen for its text.
std::vector<bool> chosen_units(const Dataset& data);
// By unit: whether one of its rows was not.
std::vector<bool> units_by_chance(const Dataset& data);
// Units of both kinds, with a row that was chosen and one that was not: the second would certify, were it not for the
// first.
std::size_t count_units_also_chosen(const Dataset& data);

// The one row that counts for each unit, in row order. Where it must not depend on the order of the file or on a seed
// (rows that certify): drawn evenly among the unit's rows by a hash of salt and unit.
std::vector<std::uint32_t> one_row_per_unit(const Dataset& data, std::string_view salt);
// Where only numbers are left of units (what candidates are judged on): units (n), dense or not; drawn by the seed.
std::vector<std::uint32_t> one_row_per_unit(std::span<const std::uint32_t> units, std::uint64_t seed);
// Names the units of `data` under `salt`, as Split::id does for certify.
std::string split_id(const Dataset& data, std::span<const std::uint32_t> certify_rows, std::string_view salt);

// A fold in 0..folds-1 for each of `rows` (2 <= folds <= 255), for out-of-fold scores: rows of a unit share a fold, and
// every label is spread over the folds as evenly as units allow. Depends on seed, unit keys and labels only.
std::vector<std::uint8_t> assign_folds(const Dataset& data, std::span<const std::uint32_t> rows, std::size_t folds,
                                       std::uint64_t seed);

// The first 64 bits of SHA-256(salt 0 purpose 0 key), as a number: even over units, and nobody's to choose.
std::uint64_t unit_hash(std::string_view salt, std::string_view purpose, std::string_view key);

}  // namespace smidgen
