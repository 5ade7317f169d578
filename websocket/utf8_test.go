package websocket

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// Text that is not UTF-8 is not sent, in whatever way, and the connection stays usable.
func TestCheckUTF8_RFC6455_8_1(t *testing.T) {
	long := strings.Repeat("dull ", 10_000)
	for name, send := range map[string]func(*Conn, MessageType, string) error{
		"Write": func(c *Conn, typ MessageType, text string) error {
			return c.Write(background, typ, []byte(text))
		},
		"Writer": func(c *Conn, typ MessageType, text string) error {
			w, err := c.Writer(background, typ)
			require.NoError(t, err)
			io.WriteString(w, text)
			return w.Close()
		},
		"WritePrepared": func(c *Conn, typ MessageType, text string) error {
			m, err := NewPreparedMessage(typ, []byte(text))
			require.NoError(t, err)
			return c.WritePrepared(background, m)
		},
	} {
		for _, flate := range []*wsflate.Parameters{nil, {}} {
			for _, text := range []string{"\xff", "a\xe2\x82", "\xed\xa0\x80", long + "\xe2\x82"} {
				if name == "Writer" && len(text) > writerBuffer {
					continue // see below
				}
				t.Run(fmt.Sprintf("%s/%v/%d", name, flate != nil, len(text)), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						a, b := bufferedPipe()
						c := newConn(connConfig{transport: a, flate: flate, ConnOptions: ConnOptions{CheckUTF8: true}})
						peer := newConn(connConfig{transport: b, flate: flate, client: true, ConnOptions: ConnOptions{ReadLimit: -1}})
						defer c.CloseNow()
						defer peer.CloseNow()
						require.ErrorIs(t, send(c, MessageText, text), wsutil.ErrNotSendable)
						for typ, text := range map[MessageType]string{MessageBinary: text, MessageText: long + "€"} {
							sent := make(chan error, 1)
							go func() { sent <- send(c, typ, text) }()
							got, p, err := peer.Read(background)
							require.NoError(t, err)
							require.Equal(t, typ, got)
							require.Equal(t, text, string(p))
							require.NoError(t, <-sent)
						}
					})
				})
			}
		}
	}
}

// A character may be cut by the parts of a message. One that is wrong after a part was sent
// ends the connection, since the message cannot be ended.
func TestCheckUTF8InParts(t *testing.T) {
	for _, good := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			a, b := bufferedPipe()
			c := newConn(connConfig{transport: a, ConnOptions: ConnOptions{CheckUTF8: true}})
			peer := newConn(connConfig{transport: b, client: true, ConnOptions: ConnOptions{ReadLimit: -1}})
			defer c.CloseNow()
			defer peer.CloseNow()
			w, err := c.Writer(context.Background(), MessageText)
			require.NoError(t, err)
			part := strings.Repeat("x", 2*writerBuffer)
			_, err = io.WriteString(w, part+"\xe2")
			require.NoError(t, err)
			end := "\x82\xac"
			if !good {
				end = "\x82\xff"
			}
			io.WriteString(w, end)
			err = w.Close()
			if good {
				require.NoError(t, err)
				_, p, err := peer.Read(background)
				require.NoError(t, err)
				require.Equal(t, part+"€", string(p))
				return
			}
			require.ErrorIs(t, err, wsutil.ErrNotSendable)
			<-c.Done()
			require.ErrorIs(t, c.Write(background, MessageText, nil), wsutil.ErrNotSendable)
		})
	}
}

// CloseWrite ends what is written and leaves the rest to the reads.
func TestNetConnCloseWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		c := newConn(connConfig{transport: a, client: true})
		s := newConn(connConfig{transport: b})
		x, y := NetConn(background, c, MessageBinary), NetConn(background, s, MessageBinary)
		_, err := io.WriteString(x, "to")
		require.NoError(t, err)
		_, err = io.WriteString(y, "fro")
		require.NoError(t, err)
		require.NoError(t, x.(interface{ CloseWrite() error }).CloseWrite())
		_, err = x.Write([]byte("late"))
		require.Error(t, err)
		p, err := io.ReadAll(y)
		require.NoError(t, err)
		require.Equal(t, "to", string(p))
		p, err = io.ReadAll(x)
		require.NoError(t, err)
		require.Equal(t, "fro", string(p))
		require.True(t, c.CloseRecord().Clean)
		require.NoError(t, x.Close())
		require.NoError(t, y.Close())
		require.NoError(t, x.(interface{ CloseWrite() error }).CloseWrite(), "it is ended already")
	})
}
