package wsutil

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// Scripts with plain numbers for times. Each step does something at a time; want is
// what Tick says there, if the step asks it, and next is the Deadline afterwards.
type timeStep struct {
	at   time.Duration
	do   string // wait, hear, hear nothing, sent, close by, tick, our close, peer's close, fault, fail, over
	want Due
	next time.Duration // -1 if nothing is due
}

const never = -1

func TestTimeScripts(t *testing.T) {
	ping := Due{Ping: true}
	for name, tt := range map[string]struct {
		cfg   Config
		steps []timeStep
	}{
		"nothing is timed": {Config{}, []timeStep{
			{5, "tick", Due{}, never}, {6, "wait", Due{}, never}, {7, "hear", Due{}, never}, {8, "sent", Due{}, never}, {1e9, "tick", Due{}, never},
		}},
		"keepalive": {Config{KeepAlive: 10, KeepAliveTimeout: 4, Now: 100}, []timeStep{
			{100, "wait", Due{}, 110},
			{109, "tick", Due{}, 110},
			{110, "tick", ping, 250}, // owed: ten times 10+4
			{111, "tick", Due{}, 250},
			{112, "sent", Due{}, 116},
			{115, "tick", Due{}, 116},
			{116, "tick", Due{Err: ErrKeepAlive}, 116},
			{200, "tick", Due{Err: ErrKeepAlive}, 116},
		}},
		"the timeout of a ping is that of the silence": {Config{KeepAlive: 10}, []timeStep{
			{0, "wait", Due{}, 10}, {10, "tick", ping, 210}, {10, "sent", Due{}, 20}, {19, "tick", Due{}, 20}, {20, "tick", Due{Err: ErrKeepAlive}, 20},
		}},
		"any byte is a sign of life": {Config{KeepAlive: 10, KeepAliveTimeout: 4}, []timeStep{
			{0, "wait", Due{}, 10}, {9, "hear", Due{}, 19}, {9, "wait", Due{}, 19}, {18, "tick", Due{}, 19}, {19, "tick", ping, 159}, {19, "sent", Due{}, 23},
			{22, "hear", Due{}, 32}, {22, "wait", Due{}, 32}, {30, "tick", Due{}, 32}, {32, "tick", ping, 172},
		}},
		"a read that ends with nothing is none": {Config{KeepAlive: 10, KeepAliveTimeout: 4, ReadIdleTimeout: 30}, []timeStep{
			{0, "wait", Due{}, 10}, {10, "tick", ping, 30}, {10, "sent", Due{}, 14}, {12, "hear nothing", Due{}, never}, {13, "wait", Due{}, 15}, {15, "tick", Due{Err: ErrKeepAlive}, 15},
		}},
		"silence counts only while a read waits": {Config{KeepAlive: 10, KeepAliveTimeout: 4}, []timeStep{
			{0, "wait", Due{}, 10}, {3, "hear", Due{}, 13}, {13, "tick", ping, never}, {13, "sent", Due{}, never},
			{1000, "tick", Due{}, never}, {1000, "wait", Due{}, 1004}, {1003, "hear nothing", Due{}, never}, {5000, "tick", Due{}, never},
			{5000, "wait", Due{}, 5001}, {5000, "tick", Due{}, 5001}, {5001, "tick", Due{Err: ErrKeepAlive}, 5001},
		}},
		"waiting twice is waiting once": {Config{ReadIdleTimeout: 10}, []timeStep{
			{0, "wait", Due{}, 10}, {5, "wait", Due{}, 10}, {9, "tick", Due{}, 10}, {10, "tick", Due{Err: ErrReadIdle}, 10},
		}},
		"a ping that cannot be sent has ten times as long": {Config{KeepAlive: 10, KeepAliveTimeout: 5}, []timeStep{
			{0, "wait", Due{}, 10}, {10, "tick", ping, 160}, {159, "tick", Due{}, 160}, {160, "tick", Due{Err: ErrKeepAlive}, 160},
		}},
		"and its own time once it is sent": {Config{KeepAlive: 10, KeepAliveTimeout: 5}, []timeStep{
			{0, "wait", Due{}, 10}, {10, "tick", ping, 160}, {150, "sent", Due{}, 155}, {154, "tick", Due{}, 155}, {155, "tick", Due{Err: ErrKeepAlive}, 155},
		}},
		"a pong before PingSent": {Config{KeepAlive: 10, KeepAliveTimeout: 5}, []timeStep{
			{0, "wait", Due{}, 10}, {10, "tick", ping, 160}, {11, "hear", Due{}, 21}, {11, "wait", Due{}, 21}, {12, "sent", Due{}, 21}, {20, "tick", Due{}, 21}, {21, "tick", ping, 171},
		}},
		"an owed ping is not asked for again": {Config{KeepAlive: 10, KeepAliveTimeout: 5}, []timeStep{
			{0, "wait", Due{}, 10}, {10, "tick", ping, 160}, {11, "hear", Due{}, 21}, {11, "wait", Due{}, 21}, {21, "tick", Due{}, 171}, {30, "sent", Due{}, 35}, {35, "tick", Due{Err: ErrKeepAlive}, 35},
		}},
		"read idle": {Config{ReadIdleTimeout: 10, Now: 50}, []timeStep{
			{55, "tick", Due{}, never}, {60, "wait", Due{}, 70}, {69, "tick", Due{}, 70}, {69, "hear", Due{}, never}, {70, "wait", Due{}, 80}, {80, "tick", Due{Err: ErrReadIdle}, 80},
		}},
		"read idle after earlier silence": {Config{ReadIdleTimeout: 10}, []timeStep{
			{0, "wait", Due{}, 10}, {4, "hear", Due{}, never}, {5, "wait", Due{}, 15}, {8, "hear nothing", Due{}, never}, {20, "wait", Due{}, 27}, {26, "tick", Due{}, 27}, {27, "tick", Due{Err: ErrReadIdle}, 27},
		}},
		"read idle before keepalive": {Config{ReadIdleTimeout: 10, KeepAlive: 10}, []timeStep{
			{0, "wait", Due{}, 10}, {10, "tick", Due{Err: ErrReadIdle}, 10},
		}},
		"a driver that never calls Waits": {Config{ReadIdleTimeout: 10, KeepAlive: 20}, []timeStep{
			{19, "tick", Due{}, 20}, {20, "tick", ping, never}, {21, "sent", Due{}, never}, {1000, "tick", Due{}, never}, {1000, "hear", Due{}, 1020}, {1020, "tick", ping, never},
		}},
		"7.1.1 close timeout, set by Tick": {Config{CloseTimeout: 10}, []timeStep{
			{5, "our close", Due{}, 0}, {7, "tick", Due{}, 17}, {16, "tick", Due{}, 17}, {17, "tick", Due{Err: ErrCloseTimeout}, 17},
		}},
		"close timeout after the peer's close frame": {Config{CloseTimeout: 10}, []timeStep{
			{5, "peer's close", Due{}, 0}, {5, "tick", Due{}, 15}, {15, "tick", Due{Err: ErrCloseTimeout}, 15},
		}},
		"close timeout after a fault": {Config{CloseTimeout: 10}, []timeStep{
			{5, "fault", Due{}, 0}, {5, "tick", Due{}, 15}, {15, "tick", Due{Err: ErrCloseTimeout}, 15},
		}},
		"the default close timeout": {Config{}, []timeStep{
			{5, "our close", Due{}, 0}, {5, "tick", Due{}, 5 + 5*time.Second},
		}},
		"no close timeout": {Config{CloseTimeout: -1}, []timeStep{
			{5, "our close", Due{}, never}, {1 << 60, "tick", Due{}, never}, {1 << 60, "close by", Due{}, 1 << 60}, {1 << 60, "tick", Due{Err: ErrCloseTimeout}, 1 << 60},
		}},
		"a set time counts instead": {Config{CloseTimeout: 10}, []timeStep{
			{30, "close by", Due{}, 30}, {20, "close by", Due{}, 20}, {25, "close by", Due{}, 20}, {5, "our close", Due{}, 20}, {19, "tick", Due{}, 20}, {20, "tick", Due{Err: ErrCloseTimeout}, 20},
		}},
		"a time of 0 is a time": {Config{CloseTimeout: 10}, []timeStep{
			{0, "close by", Due{}, 0}, {0, "tick", Due{Err: ErrCloseTimeout}, 0},
		}},
		"no time for what is over": {Config{}, []timeStep{
			{5, "over", Due{}, never}, {9, "tick", Due{}, never},
		}},
		"an error stops the pings": {Config{KeepAlive: 10}, []timeStep{
			{0, "wait", Due{}, 10}, {5, "fail", Due{}, never}, {10, "tick", Due{}, never}, {100, "tick", Due{}, never},
		}},
		"an error stops the wait for a pong": {Config{KeepAlive: 10}, []timeStep{
			{0, "wait", Due{}, 10}, {10, "tick", ping, 210}, {10, "sent", Due{}, 20}, {15, "fail", Due{}, never}, {20, "tick", Due{}, never},
		}},
		"5.5.1 no ping after our close frame, which asks as well": {Config{KeepAlive: 10, KeepAliveTimeout: 4, CloseTimeout: -1}, []timeStep{
			{0, "wait", Due{}, 10}, {5, "our close", Due{}, 10}, {10, "tick", Due{}, 14}, {13, "tick", Due{}, 14}, {14, "tick", Due{Err: ErrKeepAlive}, 14},
		}},
		"a wait of reads is counted before the ping": {Config{KeepAlive: 10, KeepAliveTimeout: 4}, []timeStep{
			{2, "wait", Due{}, 10}, {8, "hear nothing", Due{}, 10}, {9, "wait", Due{}, 10}, {10, "tick", ping, 150}, {10, "sent", Due{}, 14}, {14, "tick", Due{Err: ErrKeepAlive}, 14},
		}},
		"times of no end": {Config{KeepAlive: math.MaxInt64, ReadIdleTimeout: math.MaxInt64, CloseTimeout: math.MaxInt64 - 1, Now: 7}, []timeStep{
			{8, "wait", Due{}, math.MaxInt64}, {1 << 61, "tick", Due{}, math.MaxInt64}, {1 << 61, "our close", Due{}, 0}, {1 << 61, "tick", Due{}, math.MaxInt64},
		}},
		"patience of no end": {Config{KeepAlive: 10, KeepAliveTimeout: math.MaxInt64}, []timeStep{
			{8, "wait", Due{}, 10}, {10, "tick", ping, math.MaxInt64}, {11, "sent", Due{}, math.MaxInt64}, {1 << 61, "tick", Due{}, math.MaxInt64},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := tt.cfg
			cfg.State = ws.StateClientSide
			c := NewProtocol(&cfg)
			for i, s := range tt.steps {
				at := fmt.Sprintf("step %d: %s at %d", i, s.do, s.at)
				switch s.do {
				case "wait":
					c.Waits(s.at)
				case "hear":
					c.Heard(s.at, 1)
				case "hear nothing":
					c.Heard(s.at, 0)
				case "sent":
					c.PingSent(s.at)
				case "close by":
					c.CloseBy(s.at)
				case "our close":
					c.AppendClose(nil, 0, "")
				case "peer's close":
					c.Next([]byte("\x88\x00"))
				case "fault":
					c.Next([]byte("\x83\x00"))
				case "fail":
					c.Fail(io.EOF)
				case "over":
					c.AppendClose(nil, 0, "")
					c.Next([]byte("\x88\x00"))
				case "tick":
					require.Equal(t, s.want, c.Tick(s.at), at)
				default:
					t.Fatal(at)
				}
				due, ok := c.Deadline()
				if !ok {
					due = never
				}
				require.Equal(t, s.next, due, at)
			}
		})
	}
}

// The errors of Tick are timeouts, and what the peer is told of them.
func TestTimeErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		text   string
		code   ws.StatusCode
		reason string
	}{
		{ErrReadIdle, "wsutil: the peer was silent for longer than ReadIdleTimeout", ws.StatusPolicyViolation, "the peer was silent for longer than ReadIdleTimeout"},
		{ErrKeepAlive, "wsutil: the peer did not answer the keepalive ping in time", ws.StatusPolicyViolation, "the peer did not answer the keepalive ping in time"},
		{ErrCloseTimeout, "wsutil: the peer did not complete the closing handshake in time", ws.StatusInternalServerError, ""},
	} {
		require.EqualError(t, tt.err, tt.text)
		require.ErrorIs(t, tt.err, os.ErrDeadlineExceeded)
		fault, ok := errors.AsType[net.Error](tt.err)
		require.True(t, ok && fault.Timeout())
		for _, err := range []error{tt.err, fmt.Errorf("secret: %w", tt.err)} {
			code, reason := CloseReply(err)
			require.Equal(t, tt.code, code)
			require.Equal(t, tt.reason, reason, "and nothing of what wraps it")
		}
	}
}

// Timed says whether Waits and Heard matter, and a connection without times holds none.
func TestTimed(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want bool
	}{
		{Config{}, false},
		{Config{CloseTimeout: 1}, false},
		{Config{KeepAliveTimeout: 1}, false},
		{Config{KeepAlive: -1, ReadIdleTimeout: -1, KeepAliveTimeout: -1}, false},
		{Config{KeepAlive: 1}, true},
		{Config{ReadIdleTimeout: 1}, true},
	} {
		c := NewProtocol(&tt.cfg)
		require.Equal(t, tt.want, c.Timed())
		require.Equal(t, tt.want, c.time != nil)
	}
	require.Equal(t, time.Duration(DefaultCloseTimeout), NewProtocol(nil).CloseTimeout())
	require.Equal(t, time.Duration(3), NewProtocol(&Config{CloseTimeout: 3}).CloseTimeout())
	require.Equal(t, time.Duration(math.MaxInt64), NewProtocol(&Config{CloseTimeout: -3}).CloseTimeout())
}

// Deadline is exact: in a random script, Tick changes nothing and says nothing before
// it, and does so at it.
func TestDeadlineIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(6455, 7))
	did := make(map[Due]int)
	for i := range 3000 {
		cfg := Config{State: ws.StateClientSide, CloseTimeout: time.Duration(rng.IntN(30) - 1), Now: time.Duration(rng.IntN(20))}
		if i&1 != 0 {
			cfg.KeepAlive, cfg.KeepAliveTimeout = time.Duration(1+rng.IntN(20)), time.Duration(rng.IntN(20))
		}
		if i&2 != 0 {
			cfg.ReadIdleTimeout = time.Duration(1 + rng.IntN(60))
		}
		c, now := NewProtocol(&cfg), cfg.Now
		state := func() (s times) {
			if c.time != nil {
				s = *c.time
			}
			return s
		}
		for range 30 {
			switch rng.IntN(9) {
			case 0, 1:
				c.Waits(now)
			case 2:
				c.Heard(now, 1)
			case 3:
				c.Heard(now, 0)
			case 4:
				if c.time != nil && c.time.owed {
					c.PingSent(now)
				}
			case 5:
				if rng.IntN(8) == 0 {
					c.AppendClose(nil, 0, "")
				}
			case 6:
				if rng.IntN(8) == 0 {
					c.CloseBy(now + time.Duration(rng.IntN(20)))
				}
			}
			at, ok := c.Deadline()
			until := now + time.Duration(rng.IntN(15))
			for ; now < until && (!ok || now < at); now++ {
				before := state()
				require.Zero(t, c.Tick(now), "at %d, due at %d, %t", now, at, ok)
				require.Equal(t, before, state())
				again, stays := c.Deadline()
				require.Equal(t, at, again)
				require.Equal(t, ok, stays)
			}
			if !ok || now < at {
				continue
			}
			before := state()
			due := c.Tick(now)
			did[due]++
			require.True(t, due != Due{} || state() != before, "nothing was due at %d", at)
			if due.Err != nil {
				break
			}
			next, ok := c.Deadline()
			require.True(t, !ok || next > now, "after a Tick at %d the next one is due at %d", now, next)
		}
	}
	require.Len(t, did, 5, "a ping, three ends, and changes inside: %v", did)
}
