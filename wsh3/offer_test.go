package wsh3

import (
	"crypto/tls"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
)

// A server whose SETTINGS do not offer extended CONNECT is not asked again for
// a while.
func TestNotOfferedIsRemembered_RFC9220_3(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	l, err := quic.ListenAddr("127.0.0.1:0", http3.ConfigureTLSConfig(&tls.Config{Certificates: certified.TLS.Certificates}), nil)
	require.NoError(t, err)
	var asked atomic.Int32
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept(background)
			if err != nil {
				return
			}
			asked.Add(1)
			if s, err := c.OpenUniStream(); err == nil {
				s.Write([]byte{0, 4, 0}) // a control stream, and SETTINGS without any
			}
		}
	}()
	defer func() {
		l.Close()
		<-served
	}()
	for remembered, want := range map[time.Duration]int32{0: 1, -1: 3} {
		asked.Store(0)
		tr := &Transport{TLSConfig: &tls.Config{InsecureSkipVerify: true}, NotOfferedTime: remembered}
		for range 3 {
			_, _, err := websocket.Dial(background, "wss://"+l.Addr().String(), &websocket.DialOptions{Transport: tr})
			require.ErrorIs(t, err, websocket.ErrNoExtendedConnect)
		}
		require.Equal(t, want, asked.Load())
		tr.Close()
	}
}
