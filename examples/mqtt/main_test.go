package main

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/websocket"
)

// client is a client of MQTT 3.1.1, as far as the test needs it.
type client struct {
	net.Conn
	t *testing.T
}

func connect(t *testing.T, addr, id string) *client {
	c := program.Dial(t, "ws://"+addr, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	require.Equal(t, "mqtt", c.Subprotocol())
	conn := &client{websocket.NetConn(t.Context(), c, websocket.MessageBinary), t}
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	conn.send([]byte{0x10, byte(12 + len(id)), 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, byte(len(id))}, []byte(id))
	conn.want(0x20, 0, 0) // CONNACK
	return conn
}

// send writes each part as a message of its own.
func (c *client) send(parts ...[]byte) {
	c.t.Helper()
	for _, p := range parts {
		_, err := c.Write(p)
		require.NoError(c.t, err)
	}
}

// want reads a packet.
func (c *client) want(kind byte, body ...byte) {
	c.t.Helper()
	head := make([]byte, 2)
	_, err := io.ReadFull(c, head)
	require.NoError(c.t, err)
	require.Equal(c.t, kind, head[0])
	got := make([]byte, head[1])
	_, err = io.ReadFull(c, got)
	require.NoError(c.t, err)
	require.Equal(c.t, append([]byte{}, body...), got)
}

func subscribe(topic string) []byte {
	p := append([]byte{0x82, byte(5 + len(topic)), 0, 1, 0, byte(len(topic))}, topic...)
	return append(p, 0)
}

func publish(topic, text string) []byte {
	return append([]byte{packets.Publish << 4, byte(2 + len(topic) + len(text)), 0, byte(len(topic))}, topic+text...)
}

func TestPublish(t *testing.T) {
	addr := program.Start(t, run)
	a, b := connect(t, addr, "a"), connect(t, addr, "b")
	a.send(subscribe("news"))
	a.want(0x90, 0, 1, 0) // SUBACK
	// A packet in two messages, and two packets in one.
	first := publish("news", "hello")
	b.send(first[:4], append(bytes.Clone(first[4:]), publish("news", "again")...))
	a.want(0x30, publish("news", "hello")[2:]...)
	a.want(0x30, publish("news", "again")[2:]...)
	b.send([]byte{0xc0, 0}) // PINGREQ
	b.want(0xd0)
}

func TestSubprotocolIsNeeded(t *testing.T) {
	addr := program.Start(t, run)
	c := program.Dial(t, "ws://"+addr, nil)
	_, _, err := c.Read(t.Context())
	require.Equal(t, websocket.StatusPolicyViolation, websocket.CloseStatus(err))
}

// When the broker is stopped, clients are told.
func TestStop(t *testing.T) {
	addr, stop := program.StartStop(t, run)
	a := connect(t, addr, "a")
	go stop()
	_, err := io.ReadAll(a)
	require.NoError(t, err, "the end of the stream, after a close frame")
	stop()
}
