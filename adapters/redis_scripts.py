"""What runs inside Redis: one Lua script an act, each on one key, so that a cluster takes it too.

A record is a hash; with the time to live of its key it is all that is known of a session:

    v   the version
    r   when its hint was written, ms, and then the plain fields, as a JSON array
    p   the payload: its keys and values as JSON texts, in their order, each as a netstring
    d   the data as JSON, unless it is empty

Lua's own JSON would change numbers, empty arrays and what is nested deep: so nothing is parsed
here. To merge a patch, texts change places with texts.

A hint is a member `<ms>:<handle>` of the sorted set of a user, scored by when its session can't be
there any more. It lies on another server of a cluster than the record and can't be written in one
act with it. So the hint is written first, and the record within half the `GRACE`, or not at all; a
hint is dropped only if there was no record to it when it was older than the `GRACE`.
Hence a hint may miss its record, but a record never its hint.
"""

from __future__ import annotations

from hashlib import sha1

import attrs

GRACE = 60_000  # ms that a hint is kept without a record

DONE, TAKEN, LATE, UNHINTED, OTHER_TENANT = 1, 0, -1, -2, 0


@attrs.frozen
class Script:
    """A script. Redis knows it by its digest once it has seen it."""

    source: str
    sha: str = attrs.field(
        init=False,
        default=attrs.Factory(
            # Redis names scripts so; nothing depends on it being hard to find another.
            lambda self: sha1(self.source.encode(), usedforsecurity=False).hexdigest(),
            takes_self=True,
        ),
    )


_CLOCK = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function ms(number) return string.format('%.0f', number) end
"""

_WRITE = """
local function write(key, rest, version, payload, data, lifetime)
    redis.call('HSET', key, 'v', version, 'r', rest, 'p', payload)
    if data == '' then redis.call('HDEL', key, 'd') else redis.call('HSET', key, 'd', data) end
    redis.call('PEXPIRE', key, lifetime)
end
"""

# of a user: handle, ms that the session can live
HINT = Script(f"""{_CLOCK}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ms(now))
local written = now
while redis.call('ZSCORE', KEYS[1], ms(written) .. ':' .. ARGV[1]) do written = written + 1 end
redis.call('ZADD', KEYS[1], ms(now + ARGV[2]), ms(written) .. ':' .. ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return ms(written)
""")

# of a user: the time, and the hints
HINTS = Script(f"""{_CLOCK}
return {{ms(now), redis.call('ZRANGE', KEYS[1], 0, -1)}}
""")

# of a record: hint, rest, version, payload, data, lifetime
CREATE = Script(f"""{_CLOCK}{_WRITE}
if redis.call('EXISTS', KEYS[1]) == 1 then return {TAKEN} end
if now > ARGV[1] + {GRACE // 2} then return {LATE} end
write(KEYS[1], ARGV[1] .. ARGV[2], unpack(ARGV, 3))
return {DONE}
""")

# of a record: hint or nothing, rest, version, payload, data, lifetime, expected version, and how
# the rest must begin unless there is a new hint; of another version it answers the record itself
SWAP = Script(f"""{_CLOCK}{_WRITE}
local held = redis.call('HMGET', KEYS[1], 'v', 'r', 'p', 'd')
if held[1] ~= ARGV[7] then return held end
local hint = ARGV[1]
if hint == '' then
    hint = string.match(held[2], '^%d+')
    if string.sub(held[2], #hint + 1, #hint + #ARGV[8]) ~= ARGV[8] then return {UNHINTED} end
elseif now > hint + {GRACE // 2} then
    return {LATE}
end
write(KEYS[1], hint .. ARGV[2], unpack(ARGV, 3, 6))
return {DONE}
""")

# of a record: limit, then keys and values as JSON, of which an empty one is no value: delete it
MERGE = Script("""
local held = redis.call('HGET', KEYS[1], 'p')
if not held then return false end

local at = 1
local function next_text()
    local colon = string.find(held, ':', at, true)
    local first, length = colon + 1, tonumber(string.sub(held, at, colon - 1))
    at = first + length
    return string.sub(held, first, at - 1)
end

local merged, size = {}, 1
local function put(key, value)
    if value ~= '' then
        merged[#merged + 1] = #key .. ':' .. key .. #value .. ':' .. value
        size = size + #key + #value + 2
    end
end

local patch = {}
for n = 2, #ARGV, 2 do patch[ARGV[n]] = ARGV[n + 1] end
while at <= #held do
    local key, value = next_text(), next_text()
    put(key, patch[key] or value)
    patch[key] = nil
end
for n = 2, #ARGV, 2 do
    if patch[ARGV[n]] then put(ARGV[n], ARGV[n + 1]) end
end

local payload = table.concat(merged)
if math.max(size, 2) > tonumber(ARGV[1]) then return {0, payload} end
redis.call('HSET', KEYS[1], 'p', payload)
redis.call('HINCRBY', KEYS[1], 'v', 1)
return {1, payload}
""")

# of a record: data as JSON, or nothing
REPLACE = Script(f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
if ARGV[1] == '' then
    redis.call('HDEL', KEYS[1], 'd')
else
    redis.call('HSET', KEYS[1], 'd', ARGV[1])
end
redis.call('HINCRBY', KEYS[1], 'v', 1)
return {DONE}
""")

# of a record: how its rest must begin for it to be the user's, and to be the tenant's;
# answers the rest of what was deleted
DELETE = Script(f"""
local held = redis.call('HGET', KEYS[1], 'r')
if not held then return false end
local rest = string.gsub(held, '^%d+', '', 1)
if string.sub(rest, 1, #ARGV[1]) ~= ARGV[1] then return false end
if string.sub(rest, 1, #ARGV[2]) ~= ARGV[2] then return {OTHER_TENANT} end
redis.call('DEL', KEYS[1])
return held
""")

# of a secret: new, and what it must be; without that it must not be there
SWAP_SECRET = Script(f"""
if redis.call('GET', KEYS[1]) ~= (ARGV[2] or false) then return false end
redis.call('SET', KEYS[1], ARGV[1])
return {DONE}
""")
