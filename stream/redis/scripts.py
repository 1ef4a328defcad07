"""The Lua scripts that write. Each is atomic, and harmless when it runs twice.

Positions are integers below 2**53, which Lua's numbers hold exactly.
"""

from __future__ import annotations

from typing import Final

_MARK: Final = "local mark = tonumber(redis.call('GET', KEYS[1]) or -1)\n"

#: KEYS: mark, values. ARGV: position, the mark we have reached, '1' to set the mark, values.
#: An empty value removes its key. An old position changes nothing; a mark below what we have
#: reached says that Redis lost it.
WRITE: Final = (
    _MARK
    + """
if mark >= tonumber(ARGV[1]) then return {0, mark} end
if mark < tonumber(ARGV[2]) then return {-1, mark} end
for i = 2, #KEYS do
  if ARGV[i + 2] == '' then redis.call('DEL', KEYS[i])
  else redis.call('SET', KEYS[i], ARGV[i + 2]) end
end
if ARGV[3] == '1' then redis.call('SET', KEYS[1], ARGV[1]) end
return {1, mark}
"""
)

#: KEYS: mark, embeddings. ARGV: position, embeddings. Users of one position come in several
#: calls, so each key is guarded by itself; a newer one stays.
EMBED: Final = (
    _MARK
    + """
local position = tonumber(ARGV[1])
local written = 0
for i = 2, #KEYS do
  local held = redis.call('GETRANGE', KEYS[i], 0, 7)
  if #held < 8 or struct.unpack('<i8', held) <= position then
    redis.call('SET', KEYS[i], ARGV[i])
    written = 1
  end
end
if mark < position then redis.call('SET', KEYS[1], ARGV[1]) end
return {written, mark}
"""
)

#: KEYS: mark, fill. ARGV: position, who. Takes the mark away: readers wait until FINISH.
BEGIN: Final = (
    _MARK
    + """
if mark >= tonumber(ARGV[1]) then return {0, mark} end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[2], ARGV[2], 0)
redis.call('EXPIRE', KEYS[2], 3600)
return {1, mark}
"""
)

#: KEYS: fill, rows. ARGV: position, who, batch number from 1, rows.
#: The counter finds out that Redis was wiped, or lost its last second, between two batches.
#: A row that is newer stays: whoever wrote it is ahead of us.
FILL: Final = """
local done = tonumber(redis.call('HGET', KEYS[1], ARGV[2]) or -1)
local batch = tonumber(ARGV[3])
if done == batch then return {0, done} end
if done ~= batch - 1 then return {-1, done} end
local position = tonumber(ARGV[1])
for i = 2, #KEYS do
  local held = redis.call('GETRANGE', KEYS[i], 0, 7)
  if #held < 8 or struct.unpack('<i8', held) <= position then
    redis.call('SET', KEYS[i], ARGV[i + 2])
  end
end
redis.call('HSET', KEYS[1], ARGV[2], batch)
redis.call('EXPIRE', KEYS[1], 3600)
return {1, done}
"""

#: KEYS: mark, fill. ARGV: position, who, batches written. Sets the mark if no batch was lost.
FINISH: Final = (
    _MARK
    + """
if mark >= tonumber(ARGV[1]) then
  redis.call('HDEL', KEYS[2], ARGV[2])
  return {0, mark}
end
local done = tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or -1)
if done ~= tonumber(ARGV[3]) then return {-1, mark} end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[2])
return {1, mark}
"""
)
