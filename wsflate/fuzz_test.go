package wsflate_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// FuzzTakeover sends sequences of messages, cut out of data, whole and in
// parts, and some of them plain, from a Sender to a Receiver and to
// compress/flate.
func FuzzTakeover(f *testing.F) {
	for i, m := range messages() {
		if len(m) < 5000 {
			f.Add(bytes.Repeat(m, 3), uint64(i)*0x9e3779b97f4a7c15, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, cuts uint64, how uint8) {
		bits := 8 + int(how&7)
		p := wsflate.Parameters{ServerMaxWindowBits: wsflate.WindowBits(bits), ServerNoContextTakeover: how&8 != 0}
		s := wsflate.NewSender(p, ws.StateServerSide, &wsflate.SenderConfig{Threshold: -1, Level: 1 + int(how>>4&1)*5})
		r := wsflate.NewReceiver(p, ws.StateClientSide)
		peer := oracle{window: 1 << bits, takeover: how&8 == 0}
		for i := 0; i < 12; i++ {
			m := data
			if len(data) > 0 {
				from := int(cuts>>(i*4)&0xff) * len(data) / 256
				m = data[from:min(len(data), from+1+int(cuts>>(i*2)&0xfff))]
			}
			payload, ok := s.AppendMessage(nil, m)
			if cuts>>(i+40)&3 == 0 && !ok {
				payload = s.AppendPart(s.AppendPart(nil, m[:len(m)/3], false), m[len(m)/3:], true)
			} else if !ok {
				continue
			}
			require.True(t, bytes.Equal(m, peer.inflate(t, payload)))
			got, err := r.Append(nil, payload, true, int64(len(m)))
			require.NoError(t, err)
			require.True(t, bytes.Equal(m, got))
		}
	})
}

// FuzzReader gives any bytes to every Reader: what they make of it is the same
// as far as they all make something, and within the limit.
func FuzzReader(f *testing.F) {
	for i, m := range messages() {
		if len(m) < 5000 {
			f.Add(newStdSender(false, i%10).deflate(f, m))
			out, _ := wsflate.DefaultHelper.Compress(m)
			f.Add(append(out, out...))
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		const limit = 1 << 16
		read := func(d func(io.Reader) wsflate.Decompressor) ([]byte, error) {
			r := wsflate.NewReader(bytes.NewReader(payload), d)
			r.SetLimit(limit)
			p, err := io.ReadAll(r)
			require.LessOrEqual(t, len(p), limit)
			require.NoError(t, nonEOF(r.Err(), err))
			r.Close()
			return p, err
		}
		own, err := read(nil)
		std, stdErr := read(stdDecompressor)
		if err == nil && stdErr == nil { // each refuses some codes that the other takes
			require.Equal(t, own, std)
		}
	})
}

// nonEOF returns an error if the two that a Reader has named differ.
func nonEOF(kept, returned error) error {
	if kept != returned {
		return io.ErrUnexpectedEOF
	}
	return nil
}
