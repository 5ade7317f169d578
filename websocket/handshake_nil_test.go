package websocket

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// Nil arguments of the handshakes are errors that say so.
func TestNilArgumentsOfHandshakes(t *testing.T) {
	request := httptest.NewRequest("GET", "/", nil)
	for name, f := range map[string]func() error{
		"Accept, nil w": func() error { _, err := Accept(nil, request, nil); return err },
		"Accept, nil r": func() error { _, err := Accept(httptest.NewRecorder(), nil, nil); return err },
		"Accept":        func() error { _, err := Accept(nil, nil, nil); return err },
		"NewConn": func() error {
			_, err := NewConn(nil, nil, ws.Handshake{}, ws.StateServerSide, nil)
			return err
		},
		"Dial": func() error { _, _, err := Dial(nil, "ws://a.example", nil); return err }, //lint:ignore SA1012 that is the test
	} {
		require.ErrorContains(t, f(), "nil ", name)
		require.ErrorContains(t, f(), "websocket: ", name)
	}
	rec := httptest.NewRecorder()
	Accept(rec, nil, nil)
	require.Equal(t, 500, rec.Code)
}
