#include "look.h"

#include "aside.h"
#include "distant.h"

namespace holdfast {
namespace {

// What is looked for, as work: it runs here, or aside.
template <class Found>
class Look : public Work {
 public:
  using Function = Result (*)(const char* path, const char* target, Found* found);
  Look(Function look, const char* path, const char* target) : Work(this), look_(look), path_(path), target_(target) {}
  void Run() { result = look_(path_.c_str(), target_.c_str(), &found); }

  Result result;
  Found found = {};

 private:
  const Function look_;
  const OwnText path_;
  const OwnText target_;
};

template <class Found>
Result Run(typename Look<Found>::Function look, const char* path, const char* target, bool aside, Found* found,
           Need need = Need::kAnswer) {
  if (!aside) return look(path, target, found);
  Look<Found>* work = New<Look<Found>>(look, path, target);
  const int error = Await(work, need);
  if (error != 0) return {Outcome::kFailed, error, "open"};
  const Result result = work->result;
  *found = work->found;
  Delete(work);
  return result;
}

Result FollowLinkNow(const char* path, const char*, Link* link) {
  return LockFile::FollowLink(path, link->destination, sizeof(link->destination));
}

Result LookForIdentity(const char* path, const char* target, Identity* identity) {
  LockFile file;
  const Result opened = OpenOrCreate(path, target, &file);
  if (opened.done()) *identity = file.identity();
  return opened;
}

void Read(LockFile* file, Sight* sight) {
  sight->readable = file->Read(sight->content, sizeof(sight->content), &sight->length).done();
}

Result LookForContent(const char* path, const char*, Sight* sight) {
  LockFile file;
  const Result opened = LockFile::Open(path, &file);
  if (opened.done()) Read(&file, sight);
  return opened;
}

Result LookForHolder(const char* path, const char*, Sight* sight) {
  LockFile file;
  const Result opened = LockFile::Open(path, &file);
  if (!opened.done()) return opened;
  const Result locked = file.TryLock(Mode::kShared);
  if (locked.outcome == Outcome::kFailed) return locked;
  sight->held = !locked.done();
  Read(&file, sight);
  if (locked.done()) file.Unlock();
  return {};
}

}  // namespace

Result FollowLink(const char* path, bool aside, Link* link) { return Run(FollowLinkNow, path, "", aside, link); }

Result Identify(const char* path, const char* target, bool aside, Identity* identity) {
  return Run(LookForIdentity, path, target, aside, identity);
}

Result Peek(const char* path, bool aside, Sight* sight) { return Run(LookForContent, path, "", aside, sight, Need::kHint); }

Result Probe(const char* path, bool aside, Sight* sight) { return Run(LookForHolder, path, "", aside, sight); }

}  // namespace holdfast
