package wsutil

import (
	"fmt"
	"io"
	"testing"

	"github.com/wskit/wskit/ws"
)

// stream returns frames of n bytes of payload, as the peer of side sends them, that
// fill size bytes, and how many they are.
func stream(side ws.State, op ws.OpCode, n, size int) (p []byte, frames int) {
	h := ws.Header{Fin: true, OpCode: op, Length: int64(n)}
	if side.ServerSide() {
		// A zero key leaves the payload as it is, so that the input can be parsed
		// again and again.
		h.Masked = true
	}
	payload := make([]byte, n)
	for i := range payload {
		payload[i] = "wskit "[i%6]
	}
	for len(p)+ws.HeaderSize(h)+n <= size {
		p = appendKeyed(p, &h, payload)
		frames++
	}
	return p, frames
}

// BenchmarkNext takes ns/op for one message; the input holds 256 KiB of them.
func BenchmarkNext(b *testing.B) {
	modes := map[string]func(*Protocol, []byte) (Event, int, error){
		"chunk": (*Protocol).Next, "whole": (*Protocol).NextMessage,
	}
	for _, side := range []ws.State{ws.StateServerSide, ws.StateClientSide} {
		for _, op := range []ws.OpCode{ws.OpBinary, ws.OpText} {
			for _, n := range []int{16, 125, 126, 1 << 10, 16 << 10} {
				for mode, next := range modes {
					b.Run(fmt.Sprintf("side=%d/op=%d/n=%d/%s", side, op, n, mode), func(b *testing.B) {
						in, _ := stream(side, op, n, 256<<10)
						c := NewProtocol(&Config{State: side})
						p := in
						b.SetBytes(int64(n))
						b.ReportAllocs()
						for b.Loop() {
							_, k, err := next(c, p)
							if p = p[k:]; err != nil || len(p) == 0 {
								if err != nil && err != io.ErrUnexpectedEOF {
									b.Fatal(err)
								}
								p = in
							}
						}
					})
				}
			}
		}
	}
}
