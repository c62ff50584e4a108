#include "change.h"

#include <string.h>

namespace holdfast {
namespace {

// Big enough that reading costs little for each byte, and small enough to be nothing beside what is copied.
constexpr size_t kCarriedAtOnce = 256 * 1024;

// A writer that is never silent must not keep a replacement from being made.
constexpr int kMostRounds = 64;

// Guards the change's lease while it lasts, and ends the lease where that was asked for.
class Section {
 public:
  explicit Section(Change* change) : change_(change), entered_(change->lease == 0 || EnterChange(change->lease)) {
    if (!entered_) change->came = Came::kLost;
  }
  ~Section() {
    if (change_->lease == 0 || !entered_) return;
    const Came came = change_->came;
    const bool surprised = came == Came::kDiffers || came == Came::kTorn || came == Came::kForeign;
    change_->ended = ExitChange(change_->lease, change_->ends && !surprised, change_->ending.ending());
  }
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

  bool entered() const { return entered_; }

 private:
  Change* const change_;
  const bool entered_;
};

void Fail(Change* change, const Result& result) {
  change->came = Came::kFailed;
  change->failure = result;
}

bool Allocated(Change* change, bool allocated) {
  if (!allocated) Fail(change, {Outcome::kFailed, kOutOfMemory, "malloc"});
  return allocated;
}

bool IsKnown(const Change* change) {
  return change->size == change->before.size && change->name == FileName::Of(change->before);
}

// Whether the file, as it was found or not found, is what the change was made for.
bool IsExpected(const Change* change) {
  switch (change->expected) {
    case Expected::kAny:
      return true;
    case Expected::kAbsent:
      return !change->begun;
    case Expected::kExact:
      return change->begun && IsKnown(change);
    case Expected::kAtLeast:
      return change->begun && change->before.size >= change->size && change->name == FileName::Of(change->before);
  }
  return false;
}

// Opens the file and finds out its state; where there is none, `file` is not valid. False: it failed.
bool Find(Change* change, DataFile* file, bool writes) {
  const Result opened = file->Open(change->path.c_str(), writes);
  if (opened.outcome == Outcome::kAbsent) return true;
  const Result known = opened.done() ? file->State(&change->before) : opened;
  if (!known.done()) Fail(change, known);
  change->begun = known.done();
  return known.done();
}

bool SeeTail(Change* change, const DataFile& file, uint64_t size) {
  const size_t length = size < kTailSize ? static_cast<size_t>(size) : kTailSize;
  if (!Allocated(change, change->seen.Resize(length))) return false;
  size_t seen = 0;
  const Result read = file.Read(change->seen.bytes(), length, size - length, &seen);
  if (!read.done()) Fail(change, read);
  change->seen.Shorten(seen);
  return read.done();
}

bool IsTorn(const Change* change) {
  const Buffer& tail = change->seen;
  return tail.size() > 0 && tail.bytes()[tail.size() - 1] != '\n';
}

void Look(Change* change) {
  DataFile file;
  if (!Find(change, &file, false)) return;
  if (!file.valid()) {
    change->came = Came::kAbsent;
    return;
  }
  if (change->forgetful) file.Forget();
  change->came = Came::kDone;
  if (change->tail) {
    SeeTail(change, file, change->before.size);
    return;
  }
  const uint64_t rest = change->before.size > change->from ? change->before.size - change->from : 0;
  const uint64_t most = change->most < rest ? change->most : rest;
  if (!Allocated(change, change->seen.Resize(static_cast<size_t>(most)))) return;
  size_t length = 0;
  const Result read = file.Read(change->seen.bytes(), change->seen.size(), change->from, &length);
  change->seen.Shorten(length);
  if (!read.done()) Fail(change, read);
}

// Takes back what a failed append has added, if nobody else can have added any of it. Otherwise the part is ended like a
// line, so that what comes next is not glued to it.
void Undo(Change* change, DataFile* file, uint64_t written) {
  change->undone = written == 0;
  if (change->undone) return;
  FileState now;
  if (!file->State(&now).done()) return;
  if (now.size == change->before.size + written) {
    change->undone = file->Cut(change->before.size).done();
    return;
  }
  uint64_t ignored;
  file->Append("\n", 1, &ignored);
}

// Where it cannot be done, the append is as durable as ever.
void SyncBefore(const Change* change) {
  DataFile file;
  if (change->other.c_str()[0] == '\0') return;
  if (file.Open(change->other.c_str(), true).done() && file.Sync().done()) SyncFolderOf(change->other.c_str());
}

void AppendTo(DataFile* file, Change* change, bool created) {
  uint64_t written;
  const Buffer& bytes = change->bytes;
  Result result = file->Append(bytes.bytes(), bytes.size(), &written);
  if (result.done() && change->synced) {
    result = file->Sync();
    if (result.done() && (created || change->folder)) result = SyncFolderOf(change->path.c_str());
  }
  if (!result.done()) {
    Undo(change, file, written);
    return Fail(change, result);
  }
  result = file->State(&change->after);
  change->undone = false;
  if (!result.done()) return Fail(change, result);
  change->made = true;
  const bool unlinked = change->before.linked && !change->after.linked;  // some systems count no links
  const bool alone = !unlinked && change->after.size == change->before.size + written;
  change->came = alone ? Came::kDone : Came::kForeign;
}

void Append(Change* change) {
  const Section section(change);
  if (!section.entered()) return;
  DataFile file;
  if (!Find(change, &file, true)) return;
  const bool looks = change->begun && !IsKnown(change);
  if (looks && !SeeTail(change, file, change->before.size)) return;
  change->came = Came::kDiffers;
  if (!IsExpected(change)) return;
  SyncBefore(change);  // it takes its time: who follows the file should not find it empty meanwhile
  const bool create = !file.valid();
  if (create) {
    const Result created = file.Create(change->path.c_str(), change->mode);
    if (created.outcome == Outcome::kBusy) return;  // somebody who does not know the lock was faster
    if (!created.done()) return Fail(change, created);
    const Result known = file.State(&change->before);
    if (!known.done()) return Fail(change, known);
    if (change->before.size > 0) return;  // and already written to
  }
  change->came = Came::kTorn;
  if (IsTorn(change) && change->expected != Expected::kExact) return;
  AppendTo(&file, change, create);
}

void Cut(Change* change) {
  const Section section(change);
  if (!section.entered()) return;
  DataFile file;
  if (!Find(change, &file, true)) return;
  change->came = Came::kDiffers;
  if (!IsExpected(change) || !file.valid()) return;
  Result result = file.Cut(change->from);
  change->undone = !result.done();
  if (result.done() && change->synced) result = file.Sync();
  if (result.done()) result = file.State(&change->after);
  if (!result.done()) return Fail(change, result);
  change->made = true;
  change->came = Came::kDone;
}

// Copies what the file has from `at` on to the end of the new one, and moves `at` to where that ended.
Result Carry(uint64_t* at, const DataFile& file, DataFile* fresh) {
  Buffer piece;
  if (!piece.Resize(kCarriedAtOnce)) return {Outcome::kFailed, kOutOfMemory, "malloc"};
  for (;;) {
    size_t length;
    Result result = file.Read(piece.bytes(), piece.size(), *at, &length);
    uint64_t written;
    if (result.done()) result = fresh->Append(piece.bytes(), length, &written);
    if (!result.done()) return result;
    *at += length;
    if (length < piece.size()) return result;
  }
}

// Carries, until nothing more has come while that was on its way to the device: who does not know the lock may append to
// the old file all the time. `grown` is its state then.
Result CarryAll(const Change* change, const DataFile& file, DataFile* fresh, uint64_t* at, FileState* grown) {
  Result result;
  for (int rounds = 0; result.done() && *at < grown->size && rounds < kMostRounds; ++rounds) {
    result = Carry(at, file, fresh);
    if (result.done() && change->synced) result = fresh->Sync();
    if (result.done()) result = file.State(grown);
  }
  return result;
}

// Makes the new file, or opens the one that was made before.
Result Prepare(Change* change, DataFile* fresh) {
  if (change->bytes.bytes() == nullptr) return fresh->Open(change->other.c_str(), true);
  Result result = fresh->Create(change->other.c_str(), change->mode);
  if (!result.done()) return result;
  uint64_t written;
  result = fresh->Append(change->bytes.bytes(), change->bytes.size(), &written);
  return result.done() && change->synced ? fresh->Sync() : result;
}

// With the new file complete. Nothing can be lost any more: the path names the old file or the new one.
void PutInPlace(Change* change, DataFile* fresh) {
  const Section section(change);
  if (!section.entered()) return;
  DataFile file;
  if (!Find(change, &file, false)) return;
  change->came = Came::kDiffers;
  if (!IsExpected(change)) return;
  Result result;
  FileState grown = change->before;
  uint64_t at = change->carries ? change->from : grown.size;
  if (file.valid()) {
    result = fresh->TakeAfter(file);
    if (result.done()) result = CarryAll(change, file, fresh, &at, &grown);
  }
  if (result.done()) result = fresh->State(&change->after);
  if (!result.done()) return Fail(change, result);
  if (!SeeTail(change, *fresh, change->after.size)) return;
  if (!kMovesOpenFiles) {
    fresh->Close();
    file.Close();
  }
  change->came = Came::kDiffers;
  result = change->expected == Expected::kAbsent ? MoveTo(change->other.c_str(), change->path.c_str())
                                                 : MoveOver(change->other.c_str(), change->path.c_str());
  if (result.outcome == Outcome::kBusy) return;
  if (!result.done()) return Fail(change, result);
  change->made = true;
  change->undone = false;
  if (change->synced) result = SyncFolderOf(change->path.c_str());
  if (!result.done()) return Fail(change, result);
  change->came = Came::kDone;
  if (!change->carries || !file.valid()) return;
  // What came between the last look and the move. Who opened the old file before that and writes later writes to a file
  // without a name: that cannot be helped here.
  if (file.State(&grown).done() && at < grown.size && CarryAll(change, file, fresh, &at, &grown).done()) {
    change->came = Came::kForeign;
  }
}

void Replace(Change* change) {
  DataFile fresh;
  const Result prepared = Prepare(change, &fresh);
  if (prepared.done()) {
    PutInPlace(change, &fresh);
  } else {
    Fail(change, prepared.outcome == Outcome::kFailed ? prepared : Result{Outcome::kFailed, kTryAgain, "open"});
    if (prepared.outcome == Outcome::kBusy) return;  // what has that name is not ours
  }
  fresh.Close();
  if (!change->made) RemoveFile(change->other.c_str());
}

void Remove(Change* change) {
  const Section section(change);
  if (!section.entered()) return;
  {
    DataFile file;
    if (!Find(change, &file, false)) return;
    change->came = file.valid() ? Came::kDiffers : Came::kAbsent;
    if (!IsExpected(change) || !file.valid()) return;
  }
  Result result = RemoveFile(change->path.c_str());
  change->undone = result.outcome != Outcome::kDone;
  if (result.outcome != Outcome::kFailed && change->synced) result = SyncFolderOf(change->path.c_str());
  if (result.outcome == Outcome::kFailed) return Fail(change, result);
  change->came = Came::kDone;
}

}  // namespace

FileName FileName::Of(const FileState& state) {
  const uint64_t parts[] = {state.identity.volume, state.identity.high, state.identity.low, state.birth};
  FileName name;
  for (size_t i = 0; i < 64; ++i) name.digits[i] = "0123456789abcdef"[(parts[i / 16] >> (60 - i % 16 * 4)) & 15];
  return name;
}

bool Buffer::Resize(size_t size) {
  free(bytes_);
  bytes_ = static_cast<char*>(malloc(size > 0 ? size : 1));
  size_ = bytes_ == nullptr ? 0 : size;
  return bytes_ != nullptr;
}

bool Buffer::Copy(const void* bytes, size_t size) {
  if (!Resize(size)) return false;
  if (size > 0) memcpy(bytes_, bytes, size);
  return true;
}

void Make(Change* change) {
  change->undone = true;  // as long as nothing is done
  switch (change->task) {
    case Task::kLook:
      return Look(change);
    case Task::kAppend:
      return Append(change);
    case Task::kCut:
      return Cut(change);
    case Task::kReplace:
      return Replace(change);
    case Task::kRemove:
      return Remove(change);
  }
}

}  // namespace holdfast
