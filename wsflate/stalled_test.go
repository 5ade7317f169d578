package wsflate_test

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// held returns the bytes of heap that each of n values holds which open makes.
func held(n int, open func() any) int {
	var before, after runtime.MemStats
	all := make([]any, n)
	debug.FreeOSMemory() // also empties the pools
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range all {
		all[i] = open()
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(all)
	return (int(after.HeapAlloc) - int(before.HeapAlloc)) / n
}

// The memory of a connection is proportional to the data that the peer has
// sent: Receivers with a stalled message, or between messages.
func TestStalled(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector needs memory of its own")
	}
	newSender := func(p wsflate.Parameters) *wsflate.Sender {
		return wsflate.NewSender(p, ws.StateClientSide, &wsflate.SenderConfig{Level: 9, Threshold: -1})
	}
	takeover, none := wsflate.Parameters{}, wsflate.DefaultParameters
	zeros := make([]byte, 32<<10)
	text := bytes.Join(messages()[:6], nil)
	text = bytes.Repeat(text, 1+4000/len(text))
	for i := range text {
		text[i] += byte(i / 100 % 7) // so that the block is long enough
	}
	dynamic := newSender(none).AppendPart(nil, text, true)
	require.Equal(t, byte(2), dynamic[0]>>1&3, "a dynamic block")
	wide := newSender(none).AppendPart(nil, zeros, true)

	type state struct {
		name     string
		p        wsflate.Parameters
		payload  []byte
		last     bool
		extend   bool
		mostHeld int
	}
	for _, tt := range []state{
		{"idle", none, nil, false, true, 200},
		{"one byte of a message", none, dynamic[:1], false, true, 3500},
		{"half a description of a code", none, dynamic[:20], false, true, 3500},
		{"half a block with its own code", none, dynamic[:len(dynamic)/2], false, true, 12 << 10},
		{"half a block with its own code, Append", none, dynamic[:len(dynamic)/2], false, false, 16 << 10},
		{"32 KiB out of 50 bytes, open", none, wide, false, true, 3500},
		{"32 KiB out of 50 bytes, open, Append", none, wide, false, false, 45 << 10},
		{"32 KiB out of 50 bytes, ended", none, wide, true, true, 200},
		{"32 KiB out of 50 bytes, ended, takeover", takeover, wide, true, true, 34 << 10},
	} {
		got := held(200, func() any {
			r := wsflate.NewReceiver(tt.p, ws.StateServerSide)
			inflate := r.Append
			if tt.extend {
				inflate = r.Extend
			}
			if len(tt.payload) > 0 {
				_, err := inflate(nil, tt.payload, tt.last, -1)
				require.NoError(t, err)
			}
			return r
		})
		t.Logf("%-45s %6d bytes on the wire, %6d held", tt.name, len(tt.payload), got)
		require.LessOrEqual(t, got, tt.mostHeld, tt.name)
	}

	for _, tt := range []struct {
		name     string
		p        wsflate.Parameters
		m        []byte
		mostHeld int
	}{
		{"Sender, no takeover, 32 KiB sent", none, zeros, 200},
		{"Sender, takeover, 100 bytes sent", takeover, zeros[:100], 9 << 10},
		{"Sender, takeover, 32 KiB of zeros sent", takeover, zeros, 18 << 10},
	} {
		got := held(200, func() any {
			s := wsflate.NewSender(tt.p, ws.StateServerSide, nil)
			s.AppendMessage(nil, tt.m)
			return s
		})
		t.Logf("%-45s %6d bytes held", tt.name, got)
		require.LessOrEqual(t, got, tt.mostHeld, tt.name)
	}
}
