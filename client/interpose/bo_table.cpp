// An entry lives as long as libpanbo keeps the BO's handle open, since until then the kernel gives that number to
// nothing else. Whether the BO is idle is known without asking the kernel: a BO comes idle from libpanbo, and what is
// submitted is seen.

#include "client/interpose/bo_table.h"

#include <algorithm>
#include <new>

namespace panbo::interpose {

bool BoTable::lend(panbo_bo* bo, uint32_t handle) {
  auto* kept = static_cast<Entry*>(panbo_bo_get_user_data(bo));
  const std::lock_guard lock(mutex_);
  if (kept != nullptr) {
    kept->bo = bo;
    kept->use = HandleUse::kProgram;
    kept->ended = kept->submissions;
    return true;
  }
  try {
    auto entry = std::make_unique<Entry>(Entry{.table = this, .handle = handle, .bo = bo});
    panbo_bo_set_user_data(bo, entries_.insert_or_assign(handle, std::move(entry)).first->second.get());
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

std::optional<BoTable::Released> BoTable::take_back(uint32_t handle) {
  const std::lock_guard lock(mutex_);
  Entry* entry = program_entry(handle);
  if (entry == nullptr) return std::nullopt;
  entry->use = HandleUse::kLibrary;
  if (entry->shared) return Released{entry->bo, PANBO_RELEASE_SHARED};
  return Released{entry->bo, entry->submissions == entry->ended ? PANBO_RELEASE_IDLE : 0};
}

std::optional<BoTable::Released> BoTable::take_back_shared() {
  const std::lock_guard lock(mutex_);
  for (const auto& [handle, entry] : entries_) {
    if (entry->use != HandleUse::kProgram || !entry->shared) continue;
    entry->use = HandleUse::kLibrary;
    return Released{entry->bo, PANBO_RELEASE_SHARED};
  }
  return std::nullopt;
}

void BoTable::forget(void* user_data) {
  if (user_data == nullptr) return;
  const auto* entry = static_cast<const Entry*>(user_data);
  entry->table->erase(entry->handle);
}

void BoTable::erase(uint32_t handle) {
  const std::lock_guard lock(mutex_);
  entries_.erase(handle);
}

HandleUse BoTable::use(uint32_t handle) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(handle);
  return found == entries_.end() ? HandleUse::kForeign : found->second->use;
}

panbo_bo* BoTable::bo(uint32_t handle) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = program_entry(handle);
  return entry == nullptr ? nullptr : entry->bo;
}

void BoTable::set_submitted(std::span<const uint32_t> handles) {
  const std::lock_guard lock(mutex_);
  for (const uint32_t handle : handles) {
    if (Entry* entry = program_entry(handle)) ++entry->submissions;
  }
}

void BoTable::set_shared(uint32_t handle) {
  const std::lock_guard lock(mutex_);
  if (Entry* entry = program_entry(handle)) entry->shared = true;
}

bool BoTable::is_idle(uint32_t handle) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = program_entry(handle);
  return entry != nullptr && !entry->shared && entry->submissions == entry->ended;
}

uint64_t BoTable::submissions(uint32_t handle) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = program_entry(handle);
  return entry == nullptr ? 0 : entry->submissions;
}

void BoTable::set_idle(uint32_t handle, uint64_t submissions) {
  const std::lock_guard lock(mutex_);
  if (Entry* entry = program_entry(handle)) entry->ended = std::max(entry->ended, submissions);
}

std::optional<uint64_t> BoTable::mmap_offset(uint32_t handle) {
  const std::lock_guard lock(mutex_);
  const Entry* entry = program_entry(handle);
  return entry == nullptr ? std::nullopt : entry->mmap_offset;
}

void BoTable::set_mmap_offset(uint32_t handle, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (Entry* entry = program_entry(handle)) entry->mmap_offset = offset;
}

BoTable::Entry* BoTable::program_entry(uint32_t handle) {
  const auto found = entries_.find(handle);
  if (found == entries_.end() || found->second->use != HandleUse::kProgram) return nullptr;
  return found->second.get();
}

}  // namespace panbo::interpose
