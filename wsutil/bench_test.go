package wsutil

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/wskit/wskit/ws"
)

var benchSizes = []int{16, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20}

// endless yields the same bytes over and over, from the start of the frame again
// with each Read: one wake-up is one message.
type endless struct {
	wire []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.wire[e.at:])
	if e.at += n; e.at == len(e.wire) {
		e.at = 0
	}
	return n, nil
}

func (e *endless) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkReadData reads whole messages in one frame. "plain" has no buffer in
// front of the connection and "bufio" one of 4 KiB; with "append" the payload goes
// into the caller's buffer.
func BenchmarkReadData(b *testing.B) {
	for _, side := range both {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			for _, n := range benchSizes {
				wire := peerFrames(side.state, frame(op, true, strings.Repeat("a", n)))
				src := &endless{wire: wire}
				buffered := bufio.NewReadWriter(bufio.NewReader(src), bufio.NewWriter(src))
				buf := make([]byte, 0, n)
				for _, tt := range []struct {
					name string
					read func() ([]byte, ws.OpCode, error)
				}{
					{"append/plain", func() ([]byte, ws.OpCode, error) { return AppendData(buf, src, side.state) }},
					{"append/bufio", func() ([]byte, ws.OpCode, error) { return AppendData(buf, buffered, side.state) }},
					{"read/bufio", func() ([]byte, ws.OpCode, error) { return ReadData(buffered, side.state) }},
				} {
					b.Run(fmt.Sprintf("%s/%s/%s/%d", side.name, op.String(), tt.name, n), func(b *testing.B) {
						*src = endless{wire: wire}
						buffered.Reader.Reset(src)
						b.SetBytes(int64(n))
						b.ReportAllocs()
						for b.Loop() {
							if p, _, err := tt.read(); err != nil || len(p) != n {
								b.Fatal(len(p), err)
							}
						}
					})
				}
			}
		}
	}
}

// BenchmarkReader streams a message through a Reader.
func BenchmarkReader(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("server/text/%d", n), func(b *testing.B) {
			src := bufio.NewReader(&endless{wire: peerFrames(ws.StateServerSide, frame(ws.OpText, true, strings.Repeat("a", n)))})
			r := NewServerSideReader(src)
			r.CheckUTF8 = true
			p := make([]byte, 32<<10)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				_, err := r.NextFrame()
				for err == nil {
					_, err = r.Read(p)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWriteMessage(b *testing.B) {
	for _, side := range both {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("%s/%d", side.name, n), func(b *testing.B) {
				p := make([]byte, n)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					WriteMessage(io.Discard, side.state, ws.OpBinary, p)
				}
			})
		}
	}
}

// BenchmarkWriter writes a message in pieces of 1 KiB, or in one if it is shorter.
func BenchmarkWriter(b *testing.B) {
	for _, side := range both {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("%s/%d", side.name, n), func(b *testing.B) {
				p := bytes.Repeat([]byte("x"), min(n, 1<<10))
				w := NewWriter(io.Discard, side.state, ws.OpText)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					for range n / len(p) {
						w.Write(p)
					}
					w.Flush()
				}
			})
		}
	}
}

func BenchmarkPreparedMessage(b *testing.B) {
	m, _ := NewPreparedMessage(ws.OpText, make([]byte, 1<<10))
	for _, side := range both {
		b.Run(side.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Write(io.Discard, side.state)
			}
		})
	}
}

func BenchmarkPing(b *testing.B) {
	b.ReportAllocs()
	ping := Message{ws.OpPing, []byte("ping")}
	for b.Loop() {
		HandleControlMessage(io.Discard, ws.StateServerSide, ping)
	}
}
