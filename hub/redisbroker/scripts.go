package redisbroker

import "github.com/redis/go-redis/v9"

// The kinds of keys of a topic.
const (
	metaKey     = ":m"  // a hash with the epoch (e) and the newest offset (n)
	streamKey   = ":s"  // the stream of publications
	idKey       = ":i:" // and an ID: the position of the publication with this ID
	presenceKey = ":p"  // the IDs of present members, by expiry time
	dataKey     = ":d"  // a hash of the data of present members, by ID
)

// key returns a key of a topic. The part in braces determines the slot, so all
// keys of a topic are in one slot.
func (b *Broker) key(topic, kind string) string {
	return b.opts.Prefix + "{:" + topic + "}" + kind
}

// publishScript adds a publication to the stream of a topic and publishes it
// with its position. It returns the position.
//
//	KEYS  the hash, the stream, the ID
//	ARGV  channel, publication, the epoch to set if there is none, the maximum
//	      number of messages, the lifetimes of the stream and of the hash in
//	      ms, 1 if there is an ID
var publishScript = redis.NewScript(`
local epoch = redis.call('HGET', KEYS[1], 'e')
if not epoch then
	epoch = ARGV[3]
	redis.call('HSET', KEYS[1], 'e', epoch)
end
if ARGV[7] == '1' then
	local before = redis.call('GET', KEYS[3])
	if before then return before end
end
local n = redis.call('HINCRBY', KEYS[1], 'n', 1)
local position = epoch .. '-' .. string.format('%d', n)
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[4], string.format('0-%d', n), 'p', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
if ARGV[7] == '1' then redis.call('SET', KEYS[3], position, 'PX', ARGV[5]) end
redis.call('PUBLISH', ARGV[1], position .. ' ' .. ARGV[2])
return position
`)

// historyScript returns the newest position of a topic, and entries of its
// stream.
//
//	KEYS  the hash, the stream
//	ARGV  the epoch to set if there is none, the lifetime of the hash in ms,
//	      the offset to start after, the maximum number of entries
var historyScript = redis.NewScript(`
if redis.call('HSETNX', KEYS[1], 'e', ARGV[1]) == 1 then
	redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local position = redis.call('HGET', KEYS[1], 'e') .. '-' .. (redis.call('HGET', KEYS[1], 'n') or '0')
if ARGV[4] == '0' then return {position, {}} end
return {position, redis.call('XRANGE', KEYS[2], '(0-' .. ARGV[3], '+', 'COUNT', ARGV[4])}
`)

// setPresenceScript makes a member present.
//
//	KEYS  the set by time, the data
//	ARGV  ID, data, lifetime in ms
var setPresenceScript = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for i = 1, 2 do
	if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[i], ARGV[3]) end
end
`)

// presenceScript returns the number of present members, and some of them with
// their data.
//
//	KEYS  the set by time, the data
//	ARGV  the index of the last member to return: -1 for all, -2 for none
var presenceScript = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
	redis.call('ZREM', KEYS[1], id)
	redis.call('HDEL', KEYS[2], id)
end
local found = {}
if ARGV[1] ~= '-2' then
	for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[1])) do
		found[#found + 1] = id
		found[#found + 1] = redis.call('HGET', KEYS[2], id) or ''
	end
end
return {redis.call('ZCARD', KEYS[1]), found}
`)
