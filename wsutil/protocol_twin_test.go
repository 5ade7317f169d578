package wsutil

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// twin is the naive form of the receiving half: it parses the whole input at
// once, frame by frame, and copies everything.
type twin struct {
	cfg      Config
	messages []got
	err      error // nil if the input is without fault, however incomplete

	open      *got   // the open message
	data      []byte // of the open message
	fragments int
}

func newTwin(cfg Config, in []byte) *twin {
	tw := &twin{cfg: cfg}
	in = bytes.Clone(in)
	for tw.err == nil && len(in) > 0 {
		n := tw.frame(in)
		if n == 0 {
			break
		}
		in = in[n:]
	}
	return tw
}

// frame takes the frame at the start of in and returns its size, 0 if it is not
// complete. It sets err as soon as the bytes that are there are at fault.
func (tw *twin) frame(in []byte) int {
	h, at := tw.header(in)
	if at == 0 || tw.err != nil {
		return 0
	}
	payload := in[at:]
	complete := int64(len(payload)) >= h.Length
	if complete {
		payload = payload[:h.Length]
	}
	payload = bytes.Clone(payload)
	if h.Masked {
		for i := range payload {
			payload[i] ^= h.Mask[i%4]
		}
	}
	if h.OpCode.IsControl() {
		if complete {
			tw.control(h.OpCode, payload)
		}
	} else {
		tw.dataFrame(h, payload, complete)
	}
	if !complete {
		return 0
	}
	return at + int(h.Length)
}

func (tw *twin) header(in []byte) (h ws.Header, at int) {
	if len(in) < 2 {
		return h, 0
	}
	h = ws.Header{Fin: in[0]&0x80 != 0, Rsv: in[0] >> 4 & 7, OpCode: ws.OpCode(in[0] & 15), Masked: in[1]&0x80 != 0, Length: int64(in[1] & 0x7f)}
	at = 2
	for form, size := range map[int64]int{126: 2, 127: 8} {
		if int64(in[1]&0x7f) != form {
			continue
		}
		at += size
		if len(in) < at {
			return h, 0
		}
		n := new([8]byte)
		copy(n[8-size:], in[2:at])
		u := binary.BigEndian.Uint64(n[:])
		switch {
		case u>>63 != 0:
			tw.err = ws.ErrHeaderLengthMSB
		case u < 126 || form == 127 && u < 65536:
			tw.err = ws.ErrHeaderLengthNotMinimal
		case u > math.MaxInt:
			tw.err = ws.ErrHeaderLengthOverflow
		}
		h.Length = int64(u)
	}
	if h.Masked && tw.err == nil {
		if len(in) < at+4 {
			return h, 0
		}
		h.Mask = [4]byte(in[at:])
		at += 4
	}
	if tw.err == nil {
		tw.err = tw.check(h)
	}
	return h, at
}

// check asks ws for the rules of section 5: they have tests there. The limits are
// its own.
func (tw *twin) check(h ws.Header) error {
	state := ws.StateServerSide
	if tw.cfg.State.ClientSide() {
		state = ws.StateClientSide
	}
	state |= tw.cfg.State & (ws.StateExtended | ws.StateRSV1 | ws.StateRSV2 | ws.StateRSV3)
	size, fragments := int64(len(tw.data)), tw.fragments
	if tw.open != nil {
		state |= ws.StateFragmented
	} else {
		size, fragments = 0, 0
	}
	if err := ws.CheckHeader(h, state); err != nil || h.OpCode.IsControl() {
		return err
	}
	switch {
	case tw.cfg.MaxFrame > 0 && h.Length > tw.cfg.MaxFrame:
		return ErrFrameTooLarge
	case uint64(size)+uint64(h.Length) > uint64(noLimit(tw.cfg.MaxMessage, DefaultMaxMessage)):
		return ErrMessageTooLarge
	case tw.cfg.MaxFragments > 0 && fragments+1 > tw.cfg.MaxFragments:
		return ErrTooManyFragments
	}
	return nil
}

func (tw *twin) control(op ws.OpCode, payload []byte) {
	if op == ws.OpClose {
		code, reason, err := ws.ParseCloseBody(payload)
		if err != nil {
			tw.err = err
			return
		}
		tw.err = ClosedError{code, reason}
	}
	tw.messages = append(tw.messages, message(op, string(payload)))
}

func (tw *twin) dataFrame(h ws.Header, payload []byte, complete bool) {
	if h.OpCode != ws.OpContinuation {
		tw.open, tw.data, tw.fragments = &got{op: h.OpCode, rsv: h.Rsv, part: whole}, nil, 0
	}
	tw.open.rsv |= h.Rsv // of an extension that also marks single frames
	tw.data = append(tw.data, payload...)
	tw.fragments++
	ends := h.Fin && complete
	if tw.open.op == ws.OpText && tw.open.rsv == 0 && !beginsText(tw.data, ends) {
		tw.err = ErrInvalidUTF8
		return
	}
	if ends {
		tw.open.data = string(tw.data)
		tw.messages = append(tw.messages, *tw.open)
		tw.open = nil
	}
}

// beginsText reports whether p is a text, or the beginning of one if it has not ended.
func beginsText(p []byte, ended bool) bool {
	for len(p) > 0 {
		if !ended && !utf8.FullRune(p) {
			return true
		}
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 {
			return false
		}
		p = p[n:]
	}
	return true
}

// requireTwins asserts that Next and NextMessage see in in what the twin sees, with
// these cuts, and byte by byte at every byte.
func requireTwins(t *testing.T, cfg Config, in []byte, cuts []int) {
	t.Helper()
	want := newTwin(cfg, in)
	for name, fn := range nexts {
		c := NewProtocol(&cfg)
		events, err := fn.feed(t, c, in, cuts...)
		require.Equal(t, want.err, err, "%s, cut at %v", name, cuts)
		require.Equal(t, want.messages, joined(t, events), "%s, cut at %v", name, cuts)
		if name == "NextMessage" {
			require.Equal(t, want.messages, events, "all of them whole")
		}
		c.EOF()
		require.Nil(t, c.lent)
		require.Nil(t, c.message)
	}
	if len(in) > 300 {
		return
	}
	c := NewProtocol(&cfg)
	for i := range in {
		_, _, err := c.Next(bytes.Clone(in[i : i+1]))
		if err == io.ErrUnexpectedEOF {
			err = nil
		}
		_, closed := newTwin(cfg, in[:i+1]).err.(ClosedError)
		if closed {
			require.NoError(t, err, "the event comes first")
			break
		}
		require.Equal(t, newTwin(cfg, in[:i+1]).err, err, "at byte %d", i)
		if err != nil {
			break
		}
	}
}

// fuzzConfig has small limits, so that a fuzzer meets them.
func fuzzConfig(options byte) Config {
	cfg := Config{MaxMessage: -1, MaxFragments: -1}
	if options&1 != 0 {
		cfg.State |= ws.StateClientSide
	}
	if options&2 != 0 {
		cfg.State |= ws.StateRSV1
	}
	if options&4 != 0 {
		cfg.MaxMessage = 100
	}
	if options&8 != 0 {
		cfg.MaxFrame = 60
	}
	if options&16 != 0 {
		cfg.MaxFragments = 3
	}
	if options&32 != 0 {
		cfg.State |= ws.StateExtended
	}
	if options&64 != 0 {
		cfg.State |= ws.StateRSV2 | ws.StateRSV3
	}
	return cfg
}

// randomStream returns frames as the peer of cfg may send them, some with a fault.
func randomStream(rng *rand.Rand, cfg Config) (in []byte) {
	texts := []string{"", "a", "text", "€uro", "😀", "\xe2\x82", "\xac", "\xff", "a longer text, which fills a vector or two of them"}
	for range rng.IntN(8) + 1 {
		op := []ws.OpCode{0, 0, 0, 1, 1, 1, 2, 8, 9, 9, 10, 3}[rng.IntN(12)]
		h := ws.Header{Fin: op.IsControl() || rng.IntN(3) > 0, OpCode: op}
		payload := texts[rng.IntN(len(texts))]
		if op == ws.OpClose && rng.IntN(4) > 0 {
			payload = closeBody(ws.StatusCode(1000+rng.IntN(20)), "bye")
		}
		if rng.IntN(10) == 0 {
			h.Rsv = byte(rng.IntN(8))
		}
		masked := !cfg.State.ClientSide() != (rng.IntN(30) == 0)
		if h.Length = int64(len(payload)); masked {
			h.Masked = true
			binary.LittleEndian.PutUint32(h.Mask[:], rng.Uint32())
		}
		in = appendKeyed(in, &h, []byte(payload))
	}
	return in
}

func TestTwins(t *testing.T) {
	rng := rand.New(rand.NewPCG(6455, 5))
	ended := make(map[error]int)
	for i := range 3000 {
		cfg := fuzzConfig(byte(i))
		in := randomStream(rng, cfg)
		ended[newTwin(cfg, in).err]++
		cuts := []int{rng.IntN(len(in) + 1), rng.IntN(len(in) + 1)}
		slices.Sort(cuts)
		requireTwins(t, cfg, in, cuts)
	}
	require.Greater(t, len(ended), 12, "the streams meet most faults")
	require.Greater(t, ended[nil], 200, "and many have none")
}

// FuzzProtocolTwin: any input, cut anywhere, both sides.
func FuzzProtocolTwin(f *testing.F) {
	rng := rand.New(rand.NewPCG(6455, 6))
	for i := range 128 {
		f.Add(randomStream(rng, fuzzConfig(byte(i))), uint16(rng.IntN(20)), uint16(rng.IntN(90)), byte(i))
	}
	f.Add(declare(fin(ws.OpBinary), 1<<62), uint16(1), uint16(9), byte(0))
	f.Add(join(toServer(open(ws.OpBinary), "0123456789"), declare(fin(0), math.MaxInt64)), uint16(3), uint16(20), byte(0))
	f.Fuzz(func(t *testing.T, in []byte, i, j uint16, options byte) {
		cuts := []int{min(int(i), len(in)), min(int(j), len(in))}
		slices.Sort(cuts)
		requireTwins(t, fuzzConfig(options), in, cuts)
		requireTwins(t, fuzzConfig(options), in, everyByte(in))
	})
}

// FuzzProtocolPair: what one side appends, the other one reads back, cut anywhere.
// Each byte of the script is a call; what the Protocol refuses leaves no trace.
func FuzzProtocolPair(f *testing.F) {
	f.Add([]byte("\x00\x11\x22\x33\x44\x05\x06"), "Hello €uro 😀", uint16(7), true)
	f.Add([]byte("\x02\x03\x12\x03\x22\x12\x15\x00"), "a text that is somewhat longer", uint16(30), false)
	f.Add([]byte("\x02\x02\x02\x22\x06"), "", uint16(2), true)
	f.Fuzz(func(t *testing.T, script []byte, text string, step uint16, fromClient bool) {
		from, to := NewProtocol(server), NewProtocol(client)
		if fromClient {
			from, to = NewProtocol(client), NewProtocol(server)
		}
		var out []byte
		var want []got
		var open got
		for _, b := range script[:min(len(script), 60)] {
			op, payload := ws.OpBinary, text[:min(len(text), int(b>>4)*9)]
			done := func(p []byte, err error) bool {
				if err != nil {
					require.Equal(t, out, p, "dst as it was")
				}
				out = p
				return err == nil
			}
			switch b & 7 {
			case 0, 1:
				if done(from.AppendMessage(out, op, []byte(payload))) {
					want = append(want, message(op, payload))
				}
			case 2, 3:
				h := ws.Header{OpCode: op, Fin: b&7 == 3}
				if done(from.AppendFragment(out, h, []byte(payload))) {
					if open.data += payload; h.Fin {
						want = append(want, message(op, open.data))
						open = got{}
					}
				}
			case 4, 5:
				if done(from.AppendPing(out, []byte(payload))) {
					want = append(want, message(ws.OpPing, payload))
				}
			case 6:
				if done(from.AppendPong(out, []byte(payload))) {
					want = append(want, message(ws.OpPong, payload))
				}
			case 7:
				if done(from.AppendClose(out, ws.StatusCode(990)+ws.StatusCode(b), text)) {
					want = append(want, message(ws.OpClose, string(closeBodyOf(t, from, out))))
				}
			}
		}
		var cuts []int
		for at := int(step) + 1; at < len(out); at += int(step) + 1 {
			cuts = append(cuts, at)
		}
		for name, fn := range nexts {
			to.Reset(&Config{State: to.state})
			events, err := fn.feed(t, to, out, cuts...)
			if from.Closing().Sent == 0 {
				require.NoError(t, err, name)
			} else {
				require.Equal(t, from.Closing().Sent, to.Closing().Received)
				require.IsType(t, ClosedError{}, err)
			}
			require.Equal(t, want, joined(t, events), name)
		}
	})
}

// closeBodyOf returns the payload of the close frame that out ends with.
func closeBodyOf(t *testing.T, from *Protocol, out []byte) (body []byte) {
	for _, f := range wire(t, from.state.ClientSide(), out) {
		body = []byte(f.payload)
	}
	return body
}
