#include "smidgen/app/run_pipeline.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "smidgen/base/out_of_memory.h"

namespace smidgen {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLinger{2};        // how long a worker waits for a batch to fill
constexpr milliseconds kWriterTick{100};  // how often the writer looks for Ctrl-C and reports
constexpr std::size_t kTextKept = 4096;   // recycled records give larger buffers back

struct Batch {
  std::uint64_t number = 0;
  std::vector<Record> records = std::vector<Record>(kBatchRows);
  std::size_t rows = 0, bytes = 0;
  BatchAnswers answers;

  bool full() const { return rows == kBatchRows || bytes >= kBatchBytes; }
  void clear() {
    for (std::size_t i = 0; i < rows; ++i) {
      if (records[i].text.capacity() > kTextKept) records[i].text = std::string();
      records[i].error.reset();
    }
    rows = bytes = 0;
    std::string lines = std::move(answers.lines);
    answers = {};
    if (lines.capacity() > 16 * kBatchBytes) return;
    lines.clear();
    answers.lines = std::move(lines);
  }
};
using BatchPtr = std::unique_ptr<Batch>;

// Shared by the three parties; kept alive by the reader thread even when that is left behind in a blocked read. All
// members but `source` (reader only) are guarded by `mutex`. Every batch is in exactly one place: free, open, ready, in
// a worker's hands, or done.
struct Shared {
  std::mutex mutex;
  std::condition_variable for_reader, for_workers, for_writer;
  RecordSource source;
  std::vector<BatchPtr> free;
  BatchPtr open;
  std::deque<BatchPtr> ready;
  std::map<std::uint64_t, BatchPtr> done;
  std::uint64_t batches = 0;  // numbers given out
  bool reader_done = false, stopping = false;
  std::optional<Error> reader_error;
  std::optional<Error> fault;  // of a thread that cannot go on; ends the run

  void close_open() {
    if (!open || open->rows == 0) return;
    ready.push_back(std::move(open));
    for_workers.notify_one();
  }
};

// Runs `part` of a thread: when memory ends there, the writer hears of it and ends the run.
template <class Part>
void guarded(Shared& shared, bool reader, Part part) {
  try {
    part();
  } catch (const std::bad_alloc&) {
    std::lock_guard lock(shared.mutex);
    shared.fault = out_of_memory();
    shared.stopping = true;
    shared.reader_done = shared.reader_done || reader;
    shared.for_reader.notify_all();
    shared.for_workers.notify_all();
    shared.for_writer.notify_all();
  }
}

// Puts the record into the open batch. False when the run is stopping.
bool hand_over(Shared& shared, Record& record) {
  std::unique_lock lock(shared.mutex);
  if (!shared.open) {
    shared.for_reader.wait(lock, [&] { return shared.stopping || !shared.free.empty(); });
    if (shared.stopping) return false;
    shared.open = std::move(shared.free.back());
    shared.free.pop_back();
    shared.open->number = shared.batches++;
  }
  Batch& open = *shared.open;
  open.bytes += record.text.size();
  std::swap(open.records[open.rows], record);
  if (++open.rows == 1) shared.for_workers.notify_one();  // somebody starts the 2 ms
  if (open.full()) shared.close_open();
  return !shared.stopping;
}

void read_all(Shared& shared, bool strict) {
  Record record;
  std::optional<Error> error;
  for (;;) {
    record.error.reset();
    auto got = shared.source(record);
    if (!got.ok()) {
      error = std::move(got).error();
      break;
    }
    if (!*got) break;
    if (strict && record.error) {
      error = *record.error;
      break;
    }
    if (!hand_over(shared, record)) break;
  }
  std::lock_guard lock(shared.mutex);
  shared.close_open();
  shared.reader_error = std::move(error);
  shared.reader_done = true;
  shared.for_workers.notify_all();
  shared.for_writer.notify_all();
}

// The next batch for a worker; null when there will be none.
BatchPtr take(Shared& shared) {
  std::unique_lock lock(shared.mutex);
  for (;;) {
    if (shared.stopping) return nullptr;
    if (!shared.ready.empty()) {
      BatchPtr batch = std::move(shared.ready.front());
      shared.ready.pop_front();
      return batch;
    }
    if (shared.reader_done) return nullptr;
    const auto something = [&] { return shared.stopping || !shared.ready.empty() || shared.reader_done; };
    if (!shared.open || shared.open->rows == 0) {
      shared.for_workers.wait(lock, [&] { return something() || (shared.open && shared.open->rows > 0); });
    } else if (!shared.for_workers.wait_for(lock, kLinger, something) && shared.open && shared.open->rows > 0) {
      return std::move(shared.open);
    }
  }
}

void work(Shared& shared, const MakeAnswerer& make) {
  const std::unique_ptr<RowAnswerer> answerer = make();
  while (BatchPtr batch = take(shared)) {
    answerer->answer({batch->records.data(), batch->rows}, batch->answers);
    std::lock_guard lock(shared.mutex);
    const std::uint64_t number = batch->number;
    shared.done.emplace(number, std::move(batch));
    shared.for_writer.notify_one();
  }
}

void count(const BatchAnswers& answers, PipelineCounts& counts) {
  if (counts.bad == 0) counts.first_bad = answers.first_bad;
  counts.bad += answers.bad;
  counts.escalated += answers.escalated;
  counts.cut += answers.cut;
  counts.empty += answers.empty;
  counts.entities += answers.entities;
  counts.rows_at_rung.resize(std::max(counts.rows_at_rung.size(), answers.rows_at_rung.size()));
  for (std::size_t i = 0; i < answers.rows_at_rung.size(); ++i) counts.rows_at_rung[i] += answers.rows_at_rung[i];
}

// Writes batches in order until the input ends, the sink fails or somebody cancels.
void write_all(Shared& shared, const PipelineOptions& options, const LineSink& sink, PipelineSummary& summary) {
  std::unique_lock lock(shared.mutex);
  for (std::uint64_t next = 0;;) {
    const auto available = [&] {
      return shared.fault || shared.done.contains(next) || (shared.reader_done && next == shared.batches);
    };
    shared.for_writer.wait_for(lock, kWriterTick, available);
    if (options.cancelled && options.cancelled()) summary.error = Error::cancelled();
    if (shared.fault) summary.error = shared.fault;
    if (summary.error) break;
    const auto at = shared.done.find(next);
    if (at == shared.done.end()) {
      if (available()) break;
      lock.unlock();  // it may take its time
      if (options.written) options.written(summary);
      lock.lock();
      continue;
    }
    BatchPtr batch = std::move(at->second);
    shared.done.erase(at);
    lock.unlock();
    const Status status = sink(batch->answers.lines);
    if (status.ok()) {
      summary.rows += batch->rows;
      count(batch->answers, summary);
      if (options.written) options.written(summary);
    } else {
      summary.error = status.error();
    }
    batch->clear();
    lock.lock();
    shared.free.push_back(std::move(batch));
    shared.for_reader.notify_one();
    ++next;
  }
}

}  // namespace

PipelineSummary run_pipeline(RecordSource source, const MakeAnswerer& answerer, const PipelineOptions& options,
                             const LineSink& sink) {
  PipelineSummary summary{options.before, {}, false};
  auto shared = std::make_shared<Shared>();
  shared->source = std::move(source);
  for (std::size_t i = 0; i < 4 * options.threads + 2; ++i) shared->free.push_back(std::make_unique<Batch>());
  std::vector<std::thread> workers;
  std::thread reader;
  workers.reserve(options.threads);
  try {
    reader =
        std::thread([shared, strict = options.strict] { guarded(*shared, true, [&] { read_all(*shared, strict); }); });
    for (std::size_t i = 0; i < options.threads; ++i)
      workers.emplace_back([&] { guarded(*shared, false, [&] { work(*shared, answerer); }); });
  } catch (const std::exception&) {  // no more threads: fewer do, but none does nothing
    if (workers.empty()) summary.error = Error::io("cannot start a thread").hint("free memory, or raise `ulimit -u`");
  }
  if (!reader.joinable()) return summary;
  // Whatever happens there, the threads must be joined.
  if (!summary.error) guarded(*shared, false, [&] { write_all(*shared, options, sink, summary); });
  {
    std::lock_guard lock(shared->mutex);
    shared->stopping = true;
    shared->for_reader.notify_all();
    shared->for_workers.notify_all();
    summary.reader_blocked = !shared->reader_done;
    if (!summary.error) summary.error = shared->fault;
  }
  for (std::thread& worker : workers) worker.join();
  if (summary.reader_blocked) {
    reader.detach();  // it may sit in a read that never returns; it holds `shared` and nothing else
  } else {
    reader.join();
    if (!summary.error) summary.error = std::move(shared->reader_error);
  }
  return summary;
}

}  // namespace smidgen
