package trace

import (
	"bufio"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// A frame is shown as soon as it is complete, while the input continues.
func TestLive(t *testing.T) {
	type step struct{ in, out string }
	packets := newCapture(t, false)
	k := packets.open(5000)
	wrote := 0
	packet := func(from direction, p string) string {
		k.send(from, []byte(p))
		all := packets.buf.String()
		defer func() { wrote = len(all) }()
		return all[wrote:]
	}
	for name, steps := range map[string][]step{
		"raw":       {{"\x89", ""}, {"\x00", "ping 0"}, {"\x81\x01", ""}, {"a", `text 1 "a"`}},
		"handshake": {{answer(""), "handshake HTTP/1.1 101"}, {"\x89\x00", "ping 0"}},
		"hex":       {{"\n# a ping\n8900\n", "ping 0"}, {"81 01\n", ""}, {"61 #a\n", `text 1 "a"`}},
		"dump":      {{"00000000: 8900  ..\n", "ping 0"}, {"00000002: 8900  ..\n", "ping 0"}},
		"capture": {
			{packet(fromClient, request), "connection 10.0.0.1:5000"}, {"", "handshake GET"},
			{packet(fromServer, answer("")), "handshake HTTP"}, {packet(fromServer, "\x89\x00"), "ping 0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, feed := io.Pipe()
			read, write := io.Pipe()
			ended := make(chan error, 1)
			go func() {
				out := bufio.NewWriter(write)
				o := options{format: formatAuto, direction: unknown, width: 64, unmask: true}
				err := o.decodeTo(prompt{in, out}, lines{w: out}.print)
				write.CloseWithError(io.EOF)
				ended <- err
			}()
			shown := bufio.NewReader(read)
			for _, s := range steps {
				_, err := io.WriteString(feed, s.in)
				require.NoError(t, err)
				if s.out != "" {
					line, err := shown.ReadString('\n')
					require.NoError(t, err)
					require.Contains(t, line, s.out)
				}
			}
			feed.Close()
			_, err := shown.ReadString('\n')
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, <-ended)
		})
	}
}

// repeated is p again and again, for so many bytes in all.
type repeated struct {
	p    []byte
	at   int
	left int
}

func (r *repeated) Read(b []byte) (n int, err error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	for n < len(b) && r.left > 0 {
		m := copy(b[n:], r.p[r.at:])
		n, r.left, r.at = n+m, r.left-m, (r.at+m)%len(r.p)
	}
	return n, nil
}

// However long the input is, what is kept of it is not.
func TestEndless(t *testing.T) {
	if race.Enabled {
		t.Skip("memory is not what it is under the race detector")
	}
	hours := newCapture(t, false)
	k := hours.open(5000)
	k.send(fromClient, []byte(request))
	lost := 0
	const size = 16 << 20
	for k.sequence[fromServer] += 10; lost < size; lost = hours.buf.Len() { // ten bytes are never captured
		k.send(fromServer, make([]byte, 1000))
	}
	for name, in := range map[string]io.Reader{
		"frames":     &repeated{p: []byte("\x81\x01a\x89\x00"), left: size},
		"one frame":  &repeated{p: []byte("\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00"), left: size},
		"long ping":  &repeated{p: []byte("\x89\x7f\x00\x00\x01\x00\x00\x00\x00\x00"), left: size},
		"head":       io.MultiReader(strings.NewReader("GET / HTTP/1.1\r\nA: "), &repeated{p: []byte("a"), left: size}),
		"one line":   &repeated{p: []byte("8101"), left: size},
		"comment":    &repeated{p: []byte("# nothing"), left: size},
		"zero bytes": &repeated{p: make([]byte, 1), left: size},
		"a gap":      &hours.buf,
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			o := options{format: formatAuto, direction: unknown, width: 64, unmask: true, inflate: true}
			most := uint64(0)
			runtime.GC()
			runtime.ReadMemStats(&before)
			n := 0
			o.decodeTo(sometimes{in, func() {
				if n++; n%64 == 0 {
					runtime.GC()
					runtime.ReadMemStats(&after)
					most = max(most, after.HeapAlloc)
				}
			}}, func(frame) error { return nil })
			require.Less(t, most, before.HeapAlloc+12<<20)
		})
	}
}

// sometimes calls a function at each Read.
type sometimes struct {
	io.Reader
	do func()
}

func (s sometimes) Read(p []byte) (int, error) {
	s.do()
	return s.Reader.Read(p)
}

// The wait for a lost packet is limited to half a minute of the capture.
func TestCaptureGap(t *testing.T) {
	c := newCapture(t, false)
	k := c.open(5000)
	k.send(fromClient, []byte(request))
	k.send(fromServer, []byte(answer("")))
	k.sequence[fromServer] += 10
	k.send(fromServer, []byte("\x89\x00"))
	c.at = c.at.Add(patience + time.Second)
	wire, _ := ws.CompileFrame(masked)
	k.send(fromClient, wire)
	k.send(fromClient, wire)
	got, _ := decoded(t, c.bytes(), nil)
	require.Contains(t, got[3], "Hello")
	require.Contains(t, got[4], "! the capture misses 10 bytes here") // before the end
	require.Contains(t, got[5], "Hello")
}
