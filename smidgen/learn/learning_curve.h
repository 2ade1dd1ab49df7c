// Learning curves: what more labels would buy, with an interval. An estimate, never a certificate: how often the
// interval holds the truth is not known.
//
// An error measured at several numbers of training rows n is fitted by the inverse power law
//
//   e(n) = a + b n^-c,     a, b >= 0, c in [0.1, 1.5],
//
// by weighted least squares (Cortes et al., "Learning curves: asymptotic values and rate of convergence", 1994;
// Figueroa et al., "Predicting sample size required for classification performance", 2012: later points weigh more).
// For a fixed c it is linear in a and b, so c goes over a grid and nothing can fail to converge.
//
// The interval is a bootstrap over rows: rows are drawn again, every size's error is taken over them, and the curve
// fitted anew. A power law is a guess of the form beyond the last measured size, so the interval is widened by what the
// form has been wrong by within the data: the curve fitted without the last size, against the error measured there,
// scaled by how much further the question reaches (in ln n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "smidgen/base/statistics.h"

namespace smidgen {

struct PowerLaw {
  double a = 0, b = 0, c = 1;
  double at(double n) const;
};

// sizes: rising, above 0, at least two different ones; errors in [0, 1]; weights above 0, all of the same length.
PowerLaw fit_power_law(std::span<const double> sizes, std::span<const double> errors, std::span<const double> weights);

// What was measured: whether each judged row was answered rightly, and how sure, by models fitted without it on
// sizes[s] rows, several (`repeats`) of each size.
struct CurvePoints {
  std::vector<double> sizes;  // rising
  std::size_t rows = 0, repeats = 1;
  std::vector<std::vector<float>> right;       // [size][row * repeats + repeat]: 0 or 1
  std::vector<std::vector<float>> confidence;  // the same shape: of the answer
};

// Share of rows answered when only the most confident ones are, as many as keep the share of right answers among them
// at least at `target`; equal confidences are never parted. 0 for none.
double coverage_at(std::span<const float> right, std::span<const float> confidence, double target);

struct CurveEstimate {
  double value = 0;
  Interval interval;
};
struct CurveForecast {
  double rows = 0;  // training rows it is for
  CurveEstimate accuracy, coverage;
};

struct ForecastOptions {
  double target = 0.9;  // coverage is that at this accuracy
  double mass = 0.9;    // share of the bootstrap draws an interval spans: no promise that it is right as often
  std::size_t draws = 200;
  std::uint64_t seed = 1;
};

// At each of `ask` numbers of training rows. At least two sizes and one row.
std::vector<CurveForecast> forecast(const CurvePoints& points, std::span<const double> ask,
                                    const ForecastOptions& options);

}  // namespace smidgen
