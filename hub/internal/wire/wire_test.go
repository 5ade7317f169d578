package wire

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/ws"
)

var publications = []hub.Publication{
	{Op: ws.OpText, Payload: []byte("hello")},
	{Op: ws.OpBinary, Payload: []byte{0, 1, 2}, Key: "k", ID: "17"},
	{Op: ws.OpText, Kind: hub.Join, ID: "member", Payload: []byte(`{"name":"x"}`)},
	{Op: ws.OpText, Kind: hub.Leave, ID: "member", Payload: []byte{}},
}

func TestRoundTrip(t *testing.T) {
	for _, p := range publications {
		b := Append([]byte("before"), &p)
		require.LessOrEqual(t, len(b)-len("before"), Size(&p))
		got, err := Parse(b[len("before"):])
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
}

func TestParseBadInput(t *testing.T) {
	for name, b := range map[string]string{
		"nothing":              "",
		"of another program":   `{"a":1}`,
		"kind that is a gap":   "\xa3\x00\x00",
		"no lengths":           "\xa0",
		"key that is cut off":  "\xa0\x05ab",
		"no ID":                "\xa0\x00",
		"ID that is cut off":   "\xa0\x00\x05ab",
		"length of 2^64-1":     "\xa0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"length beyond 64 bit": "\xa0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	} {
		p, err := Parse([]byte(b))
		require.Error(t, err, name)
		require.Zero(t, p, name)
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range publications {
		f.Add(Append(nil, &p))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(Append(nil, &p))
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}
