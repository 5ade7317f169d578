package websocket_test

//lint:file-ignore SA1019 The tables name all functions, deprecated ones among them.

import (
	"bufio"
	"context"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// deadStream is whatever interface of a stream a function asks for. Nothing arrives on
// it, and what is written goes nowhere.
type deadStream struct{}

func (deadStream) Read([]byte) (int, error)         { return 0, io.EOF }
func (deadStream) Write(p []byte) (int, error)      { return len(p), nil }
func (deadStream) Close() error                     { return nil }
func (deadStream) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (deadStream) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (deadStream) SetDeadline(time.Time) error      { return nil }
func (deadStream) SetReadDeadline(time.Time) error  { return nil }
func (deadStream) SetWriteDeadline(time.Time) error { return nil }

// edge is how the arguments of a call are chosen.
type edge struct {
	name    string
	ctx     context.Context
	number  int64
	structs bool // pointers to zero values; nil otherwise
}

// value returns an argument of type t.
func (e edge) value(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case t == reflect.TypeFor[context.Context]():
		if e.ctx != nil {
			v.Set(reflect.ValueOf(e.ctx))
		}
	case t == reflect.TypeFor[http.ResponseWriter]():
		v.Set(reflect.ValueOf(httptest.NewRecorder()))
	case t == reflect.TypeFor[*http.Request]():
		v.Set(reflect.ValueOf(httptest.NewRequest("GET", "/", nil)))
	case t.Kind() == reflect.Interface && reflect.TypeFor[deadStream]().Implements(t):
		v.Set(reflect.ValueOf(deadStream{}))
	case t == reflect.TypeFor[*bufio.Reader]():
		v.Set(reflect.ValueOf(bufio.NewReader(deadStream{})))
	case t.Kind() == reflect.Pointer && e.structs && t.Elem().Kind() == reflect.Struct:
		v.Set(reflect.New(t.Elem()))
	case v.CanInt():
		v.SetInt(max(e.number, math.MinInt64>>(64-t.Bits()))) // as far as it goes
		if e.number > math.MaxInt64>>(64-t.Bits()) {
			v.SetInt(math.MaxInt64 >> (64 - t.Bits()))
		}
	case v.CanUint() && e.number != 0:
		v.SetUint(math.MaxUint64 >> (64 - t.Bits()))
	}
	return v
}

// call calls f at an edge and returns what it panics with. With a nil context it has to
// return an error, if it returns any.
func (e edge) call(t *testing.T, name string, f reflect.Value) (panicked any) {
	defer func() { panicked = recover() }()
	typ := f.Type()
	var args []reflect.Value
	wantErr := false
	for i := range typ.NumIn() {
		if typ.IsVariadic() && i == typ.NumIn()-1 {
			break
		}
		args = append(args, e.value(typ.In(i)))
		wantErr = wantErr || e.ctx == nil && typ.In(i) == reflect.TypeFor[context.Context]()
	}
	results := f.Call(args)
	for i, r := range results {
		switch {
		case typ.Out(i) == reflect.TypeFor[error]() && wantErr && r.IsNil():
			t.Errorf("%s, %s: no error", name, e.name)
		case typ.Out(i).Kind() == reflect.Func && typ.Out(i).CanSeq2():
			for range r.Seq2() {
				break
			}
		}
	}
	return nil
}

// edgeFunctions are all exported functions, which TestEdges calls.
var edgeFunctions = map[string]any{
	"websocket.Accept":                  websocket.Accept,
	"websocket.TakeToken":               websocket.TakeToken,
	"websocket.RetryAfter":              websocket.RetryAfter,
	"websocket.Retryable":               websocket.Retryable,
	"websocket.CloseStatus":             websocket.CloseStatus,
	"websocket.Dial":                    websocket.Dial,
	"websocket.NetConn":                 websocket.NetConn,
	"websocket.OpenStream":              websocket.OpenStream,
	"websocket.NewConn":                 websocket.NewConn,
	"websocket.NewPreparedMessage":      websocket.NewPreparedMessage,
	"websocket.Write":                   websocket.Write,
	"ws.AnswerHeader":                   ws.AnswerHeader,
	"ws.FrameInPlace":                   ws.FrameInPlace,
	"ws.RequestHeader":                  ws.RequestHeader,
	"ws.AppendCloseBody":                ws.AppendCloseBody,
	"ws.AppendFrame":                    ws.AppendFrame,
	"ws.AppendHeader":                   ws.AppendHeader,
	"ws.AppendRefusal":                  ws.AppendRefusal,
	"ws.AppendRequest":                  ws.AppendRequest,
	"ws.AppendResponse":                 ws.AppendResponse,
	"ws.CheckCloseFrameData":            ws.CheckCloseFrameData,
	"ws.CheckHeader":                    ws.CheckHeader,
	"ws.CheckResponse":                  ws.CheckResponse,
	"ws.Cipher":                         ws.Cipher,
	"ws.CipherCopy":                     ws.CipherCopy,
	"ws.CompileFrame":                   ws.CompileFrame,
	"ws.Detach":                         ws.Detach,
	"ws.ExtendedConnect":                ws.ExtendedConnect,
	"ws.Dial":                           ws.Dial,
	"ws.HeaderSize":                     ws.HeaderSize,
	"ws.MaskFrame":                      ws.MaskFrame,
	"ws.MaskFrameInPlace":               ws.MaskFrameInPlace,
	"ws.MaskFrameInPlaceWith":           ws.MaskFrameInPlaceWith,
	"ws.MaskFrameWith":                  ws.MaskFrameWith,
	"ws.MustCompileFrame":               ws.MustCompileFrame,
	"ws.MustReadFrame":                  ws.MustReadFrame,
	"ws.MustWriteFrame":                 ws.MustWriteFrame,
	"ws.NewBinaryFrame":                 ws.NewBinaryFrame,
	"ws.NewCloseFrame":                  ws.NewCloseFrame,
	"ws.NewCloseFrameBody":              ws.NewCloseFrameBody,
	"ws.NewFrame":                       ws.NewFrame,
	"ws.NewMask":                        ws.NewMask,
	"ws.NewPingFrame":                   ws.NewPingFrame,
	"ws.NewPongFrame":                   ws.NewPongFrame,
	"ws.NewTextFrame":                   ws.NewTextFrame,
	"ws.ParseCloseBody":                 ws.ParseCloseBody,
	"ws.ParseCloseFrameData":            ws.ParseCloseFrameData,
	"ws.ParseCloseFrameDataUnsafe":      ws.ParseCloseFrameDataUnsafe,
	"ws.ParseHeader":                    ws.ParseHeader,
	"ws.ParseHeaderNonMinimal":          ws.ParseHeaderNonMinimal,
	"ws.ParseOrigin":                    ws.ParseOrigin,
	"ws.ParseRequest":                   ws.ParseRequest,
	"ws.ParseResponse":                  ws.ParseResponse,
	"ws.ProxyFromEnvironment":           ws.ProxyFromEnvironment,
	"ws.PutCloseFrameBody":              ws.PutCloseFrameBody,
	"ws.PutReader":                      ws.PutReader,
	"ws.ReadFrame":                      ws.ReadFrame,
	"ws.ReadHeader":                     ws.ReadHeader,
	"ws.ReadHeaderBuffer":               ws.ReadHeaderBuffer,
	"ws.ReadHeaderNonMinimal":           ws.ReadHeaderNonMinimal,
	"ws.RefusalStatus":                  ws.RefusalStatus,
	"ws.RejectConnectionError":          ws.RejectConnectionError,
	"ws.RejectionBody":                  ws.RejectionBody,
	"ws.RejectionHeader":                ws.RejectionHeader,
	"ws.RejectionReason":                ws.RejectionReason,
	"ws.RejectionStatus":                ws.RejectionStatus,
	"ws.Rsv":                            ws.Rsv,
	"ws.RsvBits":                        ws.RsvBits,
	"ws.SameOrigin":                     ws.SameOrigin,
	"ws.SelectEqual":                    ws.SelectEqual,
	"ws.SelectFromSlice":                ws.SelectFromSlice,
	"ws.UnmaskFrame":                    ws.UnmaskFrame,
	"ws.UnmaskFrameInPlace":             ws.UnmaskFrameInPlace,
	"ws.Upgrade":                        ws.Upgrade,
	"ws.UpgradeHTTP":                    ws.UpgradeHTTP,
	"ws.WriteFrame":                     ws.WriteFrame,
	"ws.WriteHeader":                    ws.WriteHeader,
	"ws.WriteHeaderBuffer":              ws.WriteHeaderBuffer,
	"wsutil.AppendClientData":           wsutil.AppendClientData,
	"wsutil.AppendData":                 wsutil.AppendData,
	"wsutil.AppendDataLimit":            wsutil.AppendDataLimit,
	"wsutil.AppendServerData":           wsutil.AppendServerData,
	"wsutil.CloseCode":                  wsutil.CloseCode,
	"wsutil.CloseReply":                 wsutil.CloseReply,
	"wsutil.ControlFrameHandler":        wsutil.ControlFrameHandler,
	"wsutil.Data":                       wsutil.Data,
	"wsutil.DefaultReader":              wsutil.DefaultReader,
	"wsutil.GetWriter":                  wsutil.GetWriter,
	"wsutil.HandleClientControlMessage": wsutil.HandleClientControlMessage,
	"wsutil.HandleControlMessage":       wsutil.HandleControlMessage,
	"wsutil.HandleServerControlMessage": wsutil.HandleServerControlMessage,
	"wsutil.IsTruncated":                wsutil.IsTruncated,
	"wsutil.NewCipherReader":            wsutil.NewCipherReader,
	"wsutil.NewCipherWriter":            wsutil.NewCipherWriter,
	"wsutil.NewClientSideReader":        wsutil.NewClientSideReader,
	"wsutil.NewControlWriter":           wsutil.NewControlWriter,
	"wsutil.NewControlWriterBuffer":     wsutil.NewControlWriterBuffer,
	"wsutil.NewOutgoing":                wsutil.NewOutgoing,
	"wsutil.NewOutgoingInPlace":         wsutil.NewOutgoingInPlace,
	"wsutil.NewPreparedMessage":         wsutil.NewPreparedMessage,
	"wsutil.NewProtocol":                wsutil.NewProtocol,
	"wsutil.NewReader":                  wsutil.NewReader,
	"wsutil.NewServerSideReader":        wsutil.NewServerSideReader,
	"wsutil.NewTracer":                  wsutil.NewTracer,
	"wsutil.NewUTF8Reader":              wsutil.NewUTF8Reader,
	"wsutil.NewWriter":                  wsutil.NewWriter,
	"wsutil.NewWriterBuffer":            wsutil.NewWriterBuffer,
	"wsutil.NewWriterBufferSize":        wsutil.NewWriterBufferSize,
	"wsutil.NewWriterSize":              wsutil.NewWriterSize,
	"wsutil.NextReader":                 wsutil.NextReader,
	"wsutil.PutWriter":                  wsutil.PutWriter,
	"wsutil.ReadClientBinary":           wsutil.ReadClientBinary,
	"wsutil.ReadClientData":             wsutil.ReadClientData,
	"wsutil.ReadClientMessage":          wsutil.ReadClientMessage,
	"wsutil.ReadClientText":             wsutil.ReadClientText,
	"wsutil.ReadData":                   wsutil.ReadData,
	"wsutil.ReadMessage":                wsutil.ReadMessage,
	"wsutil.ReadServerBinary":           wsutil.ReadServerBinary,
	"wsutil.ReadServerData":             wsutil.ReadServerData,
	"wsutil.ReadServerMessage":          wsutil.ReadServerMessage,
	"wsutil.ReadServerText":             wsutil.ReadServerText,
	"wsutil.WriteClientBinary":          wsutil.WriteClientBinary,
	"wsutil.WriteClientMessage":         wsutil.WriteClientMessage,
	"wsutil.WriteClientText":            wsutil.WriteClientText,
	"wsutil.WriteMessage":               wsutil.WriteMessage,
	"wsutil.WriteMessageInPlace":        wsutil.WriteMessageInPlace,
	"wsutil.WriteServerBinary":          wsutil.WriteServerBinary,
	"wsutil.WriteServerMessage":         wsutil.WriteServerMessage,
	"wsutil.WriteServerText":            wsutil.WriteServerText,
	"wsflate.CompressFrame":             wsflate.CompressFrame,
	"wsflate.CompressFrameBuffer":       wsflate.CompressFrameBuffer,
	"wsflate.DecompressFrame":           wsflate.DecompressFrame,
	"wsflate.DecompressFrameBuffer":     wsflate.DecompressFrameBuffer,
	"wsflate.IsCompressed":              wsflate.IsCompressed,
	"wsflate.NewReader":                 wsflate.NewReader,
	"wsflate.NewReceiver":               wsflate.NewReceiver,
	"wsflate.NewSender":                 wsflate.NewSender,
	"wsflate.NewWriter":                 wsflate.NewWriter,
	"wsflate.SetBit":                    wsflate.SetBit,
	"wsflate.SmallWindow":               wsflate.SmallWindow,
	"wsflate.UnsetBit":                  wsflate.UnsetBit,
}

// edgeTypes are all exported types, whose methods TestEdges calls on the zero value.
var edgeTypes = map[string]reflect.Type{
	"websocket.AcceptOptions":    reflect.TypeFor[websocket.AcceptOptions](),
	"websocket.CloseError":       reflect.TypeFor[websocket.CloseError](),
	"websocket.CloseRecord":      reflect.TypeFor[websocket.CloseRecord](),
	"websocket.CompressionMode":  reflect.TypeFor[websocket.CompressionMode](),
	"websocket.Conn":             reflect.TypeFor[websocket.Conn](),
	"websocket.ConnOptions":      reflect.TypeFor[websocket.ConnOptions](),
	"websocket.DialOptions":      reflect.TypeFor[websocket.DialOptions](),
	"websocket.Durations":        reflect.TypeFor[websocket.Durations](),
	"websocket.Group":            reflect.TypeFor[websocket.Group](),
	"websocket.Hooks":            reflect.TypeFor[websocket.Hooks](),
	"websocket.Member":           reflect.TypeFor[websocket.Member](),
	"websocket.Message":          reflect.TypeFor[websocket.Message](),
	"websocket.MessageType":      reflect.TypeFor[websocket.MessageType](),
	"websocket.PanicError":       reflect.TypeFor[websocket.PanicError](),
	"websocket.PreparedMessage":  reflect.TypeFor[websocket.PreparedMessage](),
	"websocket.RequestInfo":      reflect.TypeFor[websocket.RequestInfo](),
	"websocket.SendPolicy":       reflect.TypeFor[websocket.SendPolicy](),
	"websocket.SendQueueOptions": reflect.TypeFor[websocket.SendQueueOptions](),
	"websocket.SendResult":       reflect.TypeFor[websocket.SendResult](),
	"websocket.Stats":            reflect.TypeFor[websocket.Stats](),
	"websocket.StatusCode":       reflect.TypeFor[websocket.StatusCode](),
	"websocket.Stream":           reflect.TypeFor[websocket.Stream](),
	"websocket.StreamHijacker":   reflect.TypeFor[websocket.StreamHijacker](),
	"websocket.Transport":        reflect.TypeFor[websocket.Transport](),
	"ws.Agreement":               reflect.TypeFor[ws.Agreement](),
	"ws.ConnectionRejectedError": reflect.TypeFor[ws.ConnectionRejectedError](),
	"ws.Dialer":                  reflect.TypeFor[ws.Dialer](),
	"ws.Frame":                   reflect.TypeFor[ws.Frame](),
	"ws.HTTPUpgrader":            reflect.TypeFor[ws.HTTPUpgrader](),
	"ws.Handshake":               reflect.TypeFor[ws.Handshake](),
	"ws.HandshakeHeader":         reflect.TypeFor[ws.HandshakeHeader](),
	"ws.HandshakeHeaderBytes":    reflect.TypeFor[ws.HandshakeHeaderBytes](),
	"ws.HandshakeHeaderFunc":     reflect.TypeFor[ws.HandshakeHeaderFunc](),
	"ws.HandshakeHeaderHTTP":     reflect.TypeFor[ws.HandshakeHeaderHTTP](),
	"ws.HandshakeHeaderString":   reflect.TypeFor[ws.HandshakeHeaderString](),
	"ws.HandshakeLimits":         reflect.TypeFor[ws.HandshakeLimits](),
	"ws.Header":                  reflect.TypeFor[ws.Header](),
	"ws.Offer":                   reflect.TypeFor[ws.Offer](),
	"ws.OpCode":                  reflect.TypeFor[ws.OpCode](),
	"ws.ProtocolError":           reflect.TypeFor[ws.ProtocolError](),
	"ws.Proxies":                 reflect.TypeFor[ws.Proxies](),
	"ws.ProxyError":              reflect.TypeFor[ws.ProxyError](),
	"ws.RejectOption":            reflect.TypeFor[ws.RejectOption](),
	"ws.Request":                 reflect.TypeFor[ws.Request](),
	"ws.ResponseParser":          reflect.TypeFor[ws.ResponseParser](),
	"ws.State":                   reflect.TypeFor[ws.State](),
	"ws.StatusCode":              reflect.TypeFor[ws.StatusCode](),
	"ws.StatusCodeRange":         reflect.TypeFor[ws.StatusCodeRange](),
	"ws.StatusError":             reflect.TypeFor[ws.StatusError](),
	"ws.Upgrader":                reflect.TypeFor[ws.Upgrader](),
	"wsutil.Action":              reflect.TypeFor[wsutil.Action](),
	"wsutil.CipherReader":        reflect.TypeFor[wsutil.CipherReader](),
	"wsutil.CipherWriter":        reflect.TypeFor[wsutil.CipherWriter](),
	"wsutil.ClosedError":         reflect.TypeFor[wsutil.ClosedError](),
	"wsutil.Closing":             reflect.TypeFor[wsutil.Closing](),
	"wsutil.Config":              reflect.TypeFor[wsutil.Config](),
	"wsutil.ControlHandler":      reflect.TypeFor[wsutil.ControlHandler](),
	"wsutil.ControlWriter":       reflect.TypeFor[wsutil.ControlWriter](),
	"wsutil.DebugDialer":         reflect.TypeFor[wsutil.DebugDialer](),
	"wsutil.DebugUpgrader":       reflect.TypeFor[wsutil.DebugUpgrader](),
	"wsutil.Deflater":            reflect.TypeFor[wsutil.Deflater](),
	"wsutil.Due":                 reflect.TypeFor[wsutil.Due](),
	"wsutil.Event":               reflect.TypeFor[wsutil.Event](),
	"wsutil.FrameHandlerFunc":    reflect.TypeFor[wsutil.FrameHandlerFunc](),
	"wsutil.Inflater":            reflect.TypeFor[wsutil.Inflater](),
	"wsutil.Message":             reflect.TypeFor[wsutil.Message](),
	"wsutil.Outgoing":            reflect.TypeFor[wsutil.Outgoing](),
	"wsutil.Phase":               reflect.TypeFor[wsutil.Phase](),
	"wsutil.PreparedMessage":     reflect.TypeFor[wsutil.PreparedMessage](),
	"wsutil.Protocol":            reflect.TypeFor[wsutil.Protocol](),
	"wsutil.Reader":              reflect.TypeFor[wsutil.Reader](),
	"wsutil.RecvExtension":       reflect.TypeFor[wsutil.RecvExtension](),
	"wsutil.RecvExtensionFunc":   reflect.TypeFor[wsutil.RecvExtensionFunc](),
	"wsutil.Replies":             reflect.TypeFor[wsutil.Replies](),
	"wsutil.SendExtension":       reflect.TypeFor[wsutil.SendExtension](),
	"wsutil.SendExtensionFunc":   reflect.TypeFor[wsutil.SendExtensionFunc](),
	"wsutil.SendPolicy":          reflect.TypeFor[wsutil.SendPolicy](),
	"wsutil.Stats":               reflect.TypeFor[wsutil.Stats](),
	"wsutil.Durations":           reflect.TypeFor[wsutil.Durations](),
	"wsutil.SendQueue":           reflect.TypeFor[wsutil.SendQueue](),
	"wsutil.SendQueueOptions":    reflect.TypeFor[wsutil.SendQueueOptions](),
	"wsutil.SendResult":          reflect.TypeFor[wsutil.SendResult](),
	"wsutil.Status":              reflect.TypeFor[wsutil.Status](),
	"wsutil.Tracer":              reflect.TypeFor[wsutil.Tracer](),
	"wsutil.UTF8Reader":          reflect.TypeFor[wsutil.UTF8Reader](),
	"wsutil.Writer":              reflect.TypeFor[wsutil.Writer](),
	"wsflate.Buffer":             reflect.TypeFor[wsflate.Buffer](),
	"wsflate.Compressor":         reflect.TypeFor[wsflate.Compressor](),
	"wsflate.Decompressor":       reflect.TypeFor[wsflate.Decompressor](),
	"wsflate.Extension":          reflect.TypeFor[wsflate.Extension](),
	"wsflate.Profile":            reflect.TypeFor[wsflate.Profile](),
	"wsflate.Helper":             reflect.TypeFor[wsflate.Helper](),
	"wsflate.MessageState":       reflect.TypeFor[wsflate.MessageState](),
	"wsflate.ParameterError":     reflect.TypeFor[wsflate.ParameterError](),
	"wsflate.Parameters":         reflect.TypeFor[wsflate.Parameters](),
	"wsflate.ReadResetter":       reflect.TypeFor[wsflate.ReadResetter](),
	"wsflate.Reader":             reflect.TypeFor[wsflate.Reader](),
	"wsflate.Receiver":           reflect.TypeFor[wsflate.Receiver](),
	"wsflate.Sender":             reflect.TypeFor[wsflate.Sender](),
	"wsflate.SenderConfig":       reflect.TypeFor[wsflate.SenderConfig](),
	"wsflate.WindowBits":         reflect.TypeFor[wsflate.WindowBits](),
	"wsflate.WriteResetter":      reflect.TypeFor[wsflate.WriteResetter](),
	"wsflate.Writer":             reflect.TypeFor[wsflate.Writer](),
}

// edgePanics are the calls that may panic, each with its reason. A name without
// an edge means all edges.
var edgePanics = map[string]string{
	"ws.MustReadFrame":                 "documented: the stream ends",
	"ws.PutCloseFrameBody":             "p is too short, as for binary.PutUint16",
	"wsutil.NewWriterBuffer":           "documented: the buffer has no room for payload",
	"wsutil.NewControlWriterBuffer":    "documented: the buffer has no room for payload",
	"wsutil.Writer.Reset":              "documented: the buffer has no room for payload",
	"websocket.PreparedMessage.Encode": "encode is nil",
	"wsutil.PreparedMessage.Encode":    "encode is nil",

	"wsutil.GetWriter, most":           "more memory than there is, as for make",
	"wsutil.NewWriterSize, most":       "more memory than there is, as for make",
	"wsutil.NewWriterBufferSize, most": "more memory than there is, as for make",
	"wsutil.Writer.Grow, most":         "more memory than there is, as for bytes.Buffer",

	// The nil pointer is what the call is about, and no option.
	"websocket.NetConn, nil structs":              "c is nil",
	"wsutil.PutWriter, nil structs":               "w is nil",
	"wsutil.Protocol.AppendFrame, nil structs":    "m is nil",
	"wsutil.Protocol.AppendPrepared, nil structs": "p is nil",
	"wsutil.Protocol.FrameRoom, nil structs":      "m is nil",
	"wsutil.Protocol.MaySend, nil structs":        "m is nil",
}

// A call with a nil context, on a zero value, or with an option at its edge returns, and
// does not panic.
func TestEdges(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("a buffer of the largest size can be allocated here, and fills the address space")
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(background, time.Hour)
		defer cancel()
		var used []string
		check := func(name string, f func() reflect.Value) {
			for _, e := range []edge{
				{name: "zero", ctx: ctx, structs: true},
				{name: "nil context", structs: true},
				{name: "negative", ctx: ctx, number: -1, structs: true},
				{name: "most", ctx: ctx, number: math.MaxInt64, structs: true},
				{name: "nil structs", ctx: ctx},
			} {
				panicked := e.call(t, name, f())
				at := name
				if _, all := edgePanics[name]; !all {
					at = name + ", " + e.name
				}
				if _, may := edgePanics[at]; may && panicked != nil {
					used = append(used, at)
				} else if panicked != nil {
					t.Errorf("%s, %s: panics with %v", name, e.name, panicked)
				}
			}
		}
		for name, f := range edgeFunctions {
			check(name, func() reflect.Value { return reflect.ValueOf(f) })
		}
		for name, typ := range edgeTypes {
			for i := 0; typ.Kind() != reflect.Interface && i < reflect.PointerTo(typ).NumMethod(); i++ {
				check(name+"."+reflect.PointerTo(typ).Method(i).Name, func() reflect.Value { return receiver(typ).Method(i) })
			}
		}
		for name := range edgePanics {
			require.Contains(t, used, name, "it does not panic any longer")
		}
	})
}

// The tables name everything that is exported.
func TestEdgesAreComplete(t *testing.T) {
	generic := map[string]string{"websocket.Read": "in TestNilContext"}
	for _, dir := range []string{".", "../ws", "../wsutil", "../wsflate"} {
		p, err := build.ImportDir(dir, 0)
		require.NoError(t, err)
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, decl := range file.Decls {
				switch decl := decl.(type) {
				case *ast.FuncDecl:
					name := p.Name + "." + decl.Name.Name
					if decl.Recv == nil && decl.Name.IsExported() && generic[name] == "" && edgeFunctions[name] == nil {
						t.Errorf("add %s to edgeFunctions", name)
					}
				case *ast.GenDecl:
					for _, spec := range decl.Specs {
						if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() {
							if name := p.Name + "." + s.Name.Name; edgeTypes[name] == nil {
								t.Errorf("add %s to edgeTypes", name)
							}
						}
					}
				}
			}
		}
	}
}

// A nil context is an error that says so, and leaves the connection usable.
func TestNilContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var none context.Context
		a, b := net.Pipe()
		defer b.Close()
		var group websocket.Group
		c, err := websocket.NewConn(a, nil, ws.Handshake{}, ws.StateServerSide, &websocket.ConnOptions{Group: &group})
		require.NoError(t, err)
		defer c.CloseNow()
		prepared, err := websocket.NewPreparedMessage(websocket.MessageText, nil)
		require.NoError(t, err)
		stream := websocket.NetConn(none, c, websocket.MessageText)
		for name, call := range map[string]func() error{
			"Read":       func() error { _, _, err := c.Read(none); return err },
			"ReadAppend": func() error { _, _, err := c.ReadAppend(none, nil); return err },
			"Reader":     func() error { _, _, err := c.Reader(none); return err },
			"Messages": func() error {
				for _, err := range c.Messages(none) {
					return err
				}
				return nil
			},
			"Write":         func() error { return c.Write(none, websocket.MessageText, nil) },
			"long Write":    func() error { return c.Write(none, websocket.MessageText, make([]byte, 1<<20)) },
			"Writer":        func() error { _, err := c.Writer(none, websocket.MessageText); return err },
			"WritePrepared": func() error { return c.WritePrepared(none, prepared) },
			"Ping":          func() error { return c.Ping(none) },
			"CloseRead":     func() error { return context.Cause(c.CloseRead(none)) },
			"CloseContext":  func() error { return c.CloseContext(none, websocket.StatusNormalClosure, "") },
			"Dial":          func() error { _, _, err := websocket.Dial(none, "ws://localhost", nil); return err },
			"Shutdown":      func() error { return group.Shutdown(none) },
			"Drain":         func() error { return group.Drain(none) },
			"function Read": func() error { _, err := websocket.Read(none, c, new(string)); return err },
			"NetConn.Read":  func() error { _, err := stream.Read(make([]byte, 1)); return err },
			"NetConn.Write": func() error { _, err := stream.Write(nil); return err },
		} {
			err := call()
			require.ErrorContains(t, err, "nil Context", name)
			require.NotEqual(t, "nil Context", err.Error(), "%s: it says of what", name)
		}
		go ws.WriteFrame(b, ws.MaskFrame(ws.NewTextFrame([]byte("on"))))
		_, p, err := c.Read(background)
		require.NoError(t, err)
		require.Equal(t, "on", string(p))
		require.Equal(t, 1, group.Len())
	})
}

// A nil connection, or a prepared message that nothing has made, is an error.
func TestNilConnection(t *testing.T) {
	_, err := websocket.NewConn(nil, nil, ws.Handshake{}, ws.StateServerSide, nil)
	require.EqualError(t, err, "websocket: nil transport")
	_, err = ws.Upgrade(nil)
	require.EqualError(t, err, "ws: handshake: nil connection")
	_, err = new(wsutil.DebugUpgrader).Upgrade(nil)
	require.EqualError(t, err, "ws: handshake: nil connection")

	c, err := websocket.NewConn(deadStream{}, nil, ws.Handshake{}, ws.StateServerSide, nil)
	require.NoError(t, err)
	defer c.CloseNow()
	require.ErrorContains(t, c.WritePrepared(background, nil), "PreparedMessage")
	require.ErrorContains(t, c.WritePrepared(background, new(websocket.PreparedMessage)), "PreparedMessage")
	require.NoError(t, c.Write(background, websocket.MessageText, nil))
}

var background = context.Background()

// made are the receivers that only a function of the package makes.
var made = map[reflect.Type]func() any{
	reflect.TypeFor[websocket.Conn](): func() any {
		c, err := websocket.NewConn(deadStream{}, nil, ws.Handshake{}, ws.StateServerSide, nil)
		if err != nil {
			panic(err)
		}
		return c
	},
	reflect.TypeFor[wsutil.Protocol](): func() any { return wsutil.NewProtocol(nil) },
}

// receiver returns a pointer to the zero value of a type, or to one that works if there
// is no use in the zero value.
func receiver(t reflect.Type) reflect.Value {
	if f := made[t]; f != nil {
		return reflect.ValueOf(f())
	}
	return reflect.New(t)
}
