package moved

import (
	"compress/flate"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failed runs the cases of the conformance suite that filter names against a
// handler, and returns how many failed.
func failed(t *testing.T, handler http.HandlerFunc, filter string, compress bool) int {
	server := httptest.NewServer(handler)
	defer server.Close()
	if race.Enabled {
		filter = `^(ping|close)/`
	}
	r, err := wstest.RunServer(t.Context(), "ws"+server.URL[len("http"):],
		&wstest.Options{Filter: filter, RequireCompression: compress})
	require.NoError(t, err)
	for _, res := range r.Agents[0].Results {
		if res.Verdict == wstest.Failed {
			t.Logf("%s: %s", res.ID, res.Detail)
		}
	}
	require.Greater(t, r.Agents[0].Counts.Strict, 20)
	return r.Failed()
}

// upgraded returns a handler that upgrades and calls echo until it returns an
// error.
func upgraded(start func(conn io.ReadWriter) (echo func() error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		for echo := start(conn); echo() == nil; {
		}
	}
}

func wholeMessages(conn io.ReadWriter) func() error {
	return func() error {
		p, op, err := wsutil.ReadClientData(conn)
		if err != nil {
			return err
		}
		return wsutil.WriteServerMessage(conn, op, p)
	}
}

func messagesAndControl(conn io.ReadWriter) func() error {
	var messages []wsutil.Message
	return func() (err error) {
		if messages, err = wsutil.ReadClientMessage(conn, messages[:0]); err != nil {
			return err
		}
		for _, m := range messages {
			if m.OpCode.IsControl() {
				err = wsutil.HandleClientControlMessage(conn, m)
			} else {
				err = wsutil.WriteServerMessage(conn, m.OpCode, m.Payload)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func streams(conn io.ReadWriter) func() error {
	control := wsutil.ControlFrameHandler(conn, ws.StateServerSide)
	r := &wsutil.Reader{Source: conn, State: ws.StateServerSide, CheckUTF8: true, OnIntermediate: control}
	w := wsutil.NewWriter(conn, ws.StateServerSide, 0)
	return func() error {
		h, err := r.NextFrame()
		if err != nil {
			return err
		}
		if h.OpCode.IsControl() {
			return control(h, r)
		}
		w.Reset(conn, ws.StateServerSide, h.OpCode)
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		return w.Flush()
	}
}

func TestMessages(t *testing.T) {
	for name, row := range map[string]struct {
		start  func(io.ReadWriter) func() error
		filter string
	}{
		"whole":   {wholeMessages, `^(length/split|interleave|ping|utf8/(valid|cut)|close)/`},
		"control": {messagesAndControl, `^(length/split|ping|utf8/(valid|cut)|close)/`},
		"streams": {streams, `^(length/split|interleave|ping|utf8/(valid|cut)|close)/`},
	} {
		t.Run(name, func(t *testing.T) { require.Zero(t, failed(t, upgraded(row.start), row.filter, false)) })
	}
}

// compressed echoes what comes compressed in the same way, with engines of the
// program's own.
func compressed(w http.ResponseWriter, r *http.Request) {
	e := wsflate.Extension{Parameters: wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}}
	u := ws.HTTPUpgrader{Negotiate: e.Negotiate}
	conn, _, _, err := u.Upgrade(r, w)
	if err != nil {
		return
	}
	defer conn.Close()
	const state = ws.StateServerSide | ws.StateExtended
	var msg wsflate.MessageState
	control := wsutil.ControlFrameHandler(conn, ws.StateServerSide)
	rd := &wsutil.Reader{Source: conn, State: state, OnIntermediate: control, Extensions: []wsutil.RecvExtension{&msg}}
	wr := wsutil.NewWriter(conn, state, 0)
	wr.SetExtensions(&msg)
	fw := wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
		f, _ := flate.NewWriter(w, 9)
		return f
	})
	fr := wsflate.NewReader(nil, func(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) })
	for {
		h, err := rd.NextFrame()
		if err == nil && h.OpCode.IsControl() {
			if control(h, rd) != nil {
				return
			}
			continue
		}
		if err != nil || echoCompressed(&msg, wr, rd, fw, fr, h.OpCode) != nil {
			return
		}
	}
}

func echoCompressed(msg *wsflate.MessageState, wr *wsutil.Writer, rd *wsutil.Reader, fw *wsflate.Writer, fr *wsflate.Reader, op ws.OpCode) error {
	wr.ResetOp(op)
	var src io.Reader = rd
	var dst io.Writer = wr
	if msg.IsCompressed() {
		fr.Reset(rd)
		fw.Reset(wr)
		src, dst = fr, fw
	}
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	if msg.IsCompressed() {
		if err := fw.Close(); err != nil {
			return err
		}
	}
	return wr.Flush()
}

func TestCompressed(t *testing.T) {
	require.Zero(t, failed(t, compressed, `^(ping|length/split|close)/|^deflate/(data|message)`, true))
}
