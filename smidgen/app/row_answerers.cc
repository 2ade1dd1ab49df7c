// What answers the rows of `run`: a bundle's classifier, or a tagger of words.
#include <algorithm>
#include <memory>
#include <utility>

#include "smidgen/app/run_pipeline.h"
#include "smidgen/base/crew.h"
#include "smidgen/text/empty_text.h"

namespace smidgen {

namespace {

// A batch of so few rows came slowly, and somebody may wait for it; others have their cores' work cut out.
constexpr std::size_t kRowsToHelp = 4;

// The texts of the rows that could be read.
void collect_texts(std::span<const Record> records, std::vector<std::string_view>& texts) {
  texts.clear();
  for (const Record& record : records)
    if (!record.error) texts.push_back(record.text);
}

class ClassifierAnswerer final : public RowAnswerer {
 public:
  ClassifierAnswerer(const Classifier& classifier, std::size_t top, bool with_text, std::shared_ptr<Crew> crew)
      : bundle_(classifier.bundle()),
        session_(classifier.session()),
        crew_(std::move(crew)),
        top_(top),
        with_text_(with_text) {}

  void answer(std::span<const Record> records, BatchAnswers& out) override {
    const Crew::Shift shift(crew_.get());
    session_.use(records.size() <= kRowsToHelp ? crew_.get() : nullptr);
    const BundleInfo& info = bundle_.info;
    collect_texts(records, texts_);
    const std::uint64_t cut_before = session_.rows_cut();
    const std::span<const Answer> answers = session_.classify(texts_);
    out.cut = session_.rows_cut() - cut_before;
    out.rows_at_rung.assign(info.rungs.size(), 0);
    std::size_t next = 0;
    for (const Record& record : records) {
      if (record.error) {
        append_bad_row(out.lines, record);
        if (++out.bad == 1) out.first_bad = record.error->message();
        continue;
      }
      const Answer& one = answers[next++];
      append_answer(out.lines, record, one, info.labels, top_, bundle_.other_precision, with_text_);
      out.escalated += one.decision.escalated;
      out.empty += is_empty_text(record.text) ? 1 : 0;
      if (!one.decision.escalated) ++out.rows_at_rung[one.decision.stage];
    }
  }

 private:
  const Bundle& bundle_;
  Classifier::Session session_;
  std::shared_ptr<Crew> crew_;
  std::size_t top_;
  bool with_text_;
  std::vector<std::string_view> texts_;
};

class TaggerAnswerer final : public RowAnswerer {
 public:
  TaggerAnswerer(const Tagger& tagger, bool with_text, std::shared_ptr<Crew> crew)
      : tagger_(tagger), crew_(std::move(crew)), with_text_(with_text) {}

  void answer(std::span<const Record> records, BatchAnswers& out) override {
    const Crew::Shift shift(crew_.get());
    scratch_.use(records.size() <= kRowsToHelp ? crew_.get() : nullptr);
    collect_texts(records, texts_);
    tagger_.tag(texts_, scratch_, tagged_);
    std::size_t next = 0;
    for (const Record& record : records) {
      if (record.error) {
        append_bad_tagged_row(out.lines, record);
        if (++out.bad == 1) out.first_bad = record.error->message();
        continue;
      }
      const TaggedText& one = tagged_[next++];
      append_entities(out.lines, record, one, with_text_);
      out.entities += one.entities.size();
      out.empty += is_empty_text(record.text) ? 1 : 0;
      out.cut += one.cut ? 1 : 0;
    }
  }

 private:
  const Tagger& tagger_;
  std::shared_ptr<Crew> crew_;
  bool with_text_;
  Tagger::Scratch scratch_;
  std::vector<std::string_view> texts_;
  std::vector<TaggedText> tagged_;
};

std::shared_ptr<Crew> crew_of(std::size_t cores) {
  return cores > 1 ? std::make_shared<Crew>(std::min(cores, kCoresOfPass)) : nullptr;
}

}  // namespace

MakeAnswerer answer_with(const Classifier& classifier, const PipelineOptions& options) {
  const auto& rungs = classifier.bundle().rungs;
  const bool slow =
      std::any_of(rungs.begin(), rungs.end(), [](const auto& rung) { return rung->kind() == RungKind::kEncoder; });
  return [&classifier, top = options.top, with_text = options.with_text, crew = crew_of(slow ? options.cores : 1)] {
    return std::make_unique<ClassifierAnswerer>(classifier, top, with_text, crew);
  };
}

MakeAnswerer answer_with(const Tagger& tagger, const PipelineOptions& options) {
  return [&tagger, with_text = options.with_text, crew = crew_of(options.cores)] {
    return std::make_unique<TaggerAnswerer>(tagger, with_text, crew);
  };
}

}  // namespace smidgen
