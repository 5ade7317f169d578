package deflate

import (
	"testing"
)

// FuzzRoundTrip cuts data into messages, sends them in every way, and lets all
// inflaters read them.
func FuzzRoundTrip(f *testing.F) {
	t := newTicks(1)
	f.Add(uint8(7), []byte{100, 200, 3}, t.message(700))
	f.Add(uint8(0), []byte{0, 255, 90, 17}, append(t.message(300), make([]byte, 900)...))
	f.Add(uint8(0x88), []byte{250, 250, 250}, append(t.message(2000), t.message(2000)...))
	f.Fuzz(func(t *testing.T, how uint8, cuts, data []byte) {
		bits, takeover, level := MinBits+int(how&7), how&8 == 0, 1
		if how&0xe0 == 0xe0 {
			level = 1 + int(how>>4&1)*5
		}
		e, p := newEncoder(bits, takeover, level), newPeer(bits, takeover)
		for i := 0; i < len(cuts) && i < 40; i++ {
			n := min(len(data), int(cuts[i])*int(cuts[i])/16)
			m := data[:n]
			if i%5 != 4 { // what stays is sent again
				data = data[n:]
			}
			send(t, e, p, m, cuts[i]&3)
		}
		send(t, e, p, data, 0)
	})
}

// send lets m go from e to p in one of four ways.
func send(t *testing.T, e *Encoder, p *peer, m []byte, way uint8) {
	switch way {
	case 0:
		p.receive(t, e.Append(nil, m), m)
	case 1:
		if out, ok := e.Try(nil, m); ok {
			p.receive(t, out, m)
		}
	case 2:
		half := e.AppendPart(nil, m[:len(m)/2], false)
		p.receive(t, e.AppendPart(half, m[len(m)/2:], true), m)
	default:
		e.Add(m)
		p.take(m)
	}
}
