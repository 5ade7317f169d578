package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each protocol question is decided in one place. These tests check the source
// text: the drivers name no bit and no codec of the protocol, buffers come from
// one pool, and there is one table of close codes.

// parsed is a file of the root module, except tests.
type parsed struct {
	name string // relative to the root, with slashes
	*ast.File
}

// sources returns the files of the packages except tests.
func sources(t *testing.T, include func(dir string) bool) (files []parsed) {
	t.Helper()
	for dir, names := range packages(t) {
		for _, name := range names {
			if !include(dir) || strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			files = append(files, parsed{path.Join(dir, filepath.Base(name)), f})
		}
	}
	require.NotEmpty(t, files)
	return files
}

// engine are the files of packages websocket and wsloop that drive a
// connection. In a browser, package websocket also has the other end of the
// driver, which converts events to frames.
func engine(t *testing.T) []parsed {
	files := sources(t, func(dir string) bool { return dir == "websocket" || dir == "wsloop" })
	return slices.DeleteFunc(files, func(f parsed) bool {
		return slices.Contains([]string{"websocket/browser.go", "websocket/dial_browser.go", "websocket/dial_js.go"}, f.name)
	})
}

// selectors calls f for each selector expression of a file.
func selectors(file parsed, f func(from, name string)) {
	ast.Inspect(file.File, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			from, _ := s.X.(*ast.Ident)
			if from == nil {
				from = ast.NewIdent("")
			}
			f(from.Name, s.Sel.Name)
		}
		return true
	})
}

func TestDriverKnowsNoFrames(t *testing.T) {
	// Names of lower packages that drivers may use: those that users pass or
	// receive, and those for negotiation. The protocol does everything else.
	may := map[string][]string{
		"ws": {
			// Opcodes of messages, and of control frames that callbacks and
			// hooks get.
			"OpCode", "OpText", "OpBinary", "OpPing", "OpPong", "OpClose",
			// Limits of the overhead of a frame.
			"Header", "MaxHeaderSize", "MaxControlFramePayloadSize",
			// Close codes, as users name them, and the code in a hook.
			"StatusCode", "ParseCloseBody",
			"StatusNoStatusRcvd", "StatusAbnormalClosure", "StatusMessageTooBig",
			"StatusPolicyViolation", "StatusNormalClosure", "StatusUnsupportedData", "StatusGoingAway",
			// The request that a loop is parsing.
			"Request",
			// The side of a connection.
			"State", "StateServerSide", "StateClientSide",
		},
		"wsflate": {
			"Extension", "Parameters", "ExtensionName", "AnyWindowBits",
			"NewReceiver", "NewSender", "SenderConfig",
		},
	}
	handshake := []string{"websocket/accept.go", "websocket/accept_stream.go", "websocket/dial.go", "websocket/dial_redirect.go",
		"websocket/dial_transport.go", "websocket/transport_stream.go", "websocket/measure.go", "websocket/open.go", "websocket/origin.go",
		"websocket/group.go", "websocket/retry.go",
		"wsloop/accept.go", "wsloop/config.go", "wsloop/handshake.go", "wsloop/server.go"}
	for _, file := range engine(t) {
		selectors(file, func(from, name string) {
			switch {
			case from == "ws" && slices.Contains(handshake, file.name): // the handshake is another question
			case may[from] != nil && !slices.Contains(may[from], name):
				t.Errorf("%s: %s.%s is for the protocol to use", file.name, from, name)
			case strings.HasPrefix(name, "Rsv"):
				t.Errorf("%s: %s: reserved bits are for the protocol", file.name, name)
			case name == "OpContinuation", from == "utf8", from == "flate":
				t.Errorf("%s: %s.%s: fragments, text and compression are for the protocol", file.name, from, name)
			}
		})
	}
}

// Compressors are created only where a connection is created.
func TestCompressorsAreMadeOnce(t *testing.T) {
	for _, file := range engine(t) {
		selectors(file, func(from, name string) {
			if from == "wsflate" && (name == "NewReceiver" || name == "NewSender") {
				require.Contains(t, []string{"websocket/conn.go", "wsloop/config.go"}, file.name)
			}
		})
	}
}

// Buffers come from internal/bufpool. Other pools hold values that are not
// buffers, or that have a fixed size and more than bytes.
func TestOnePoolOfBuffers(t *testing.T) {
	pools := map[string]string{
		"internal/bufpool/bufpool.go": "the pool of buffers",
		"internal/deflate/large.go":   "compressors of klauspost/compress",
		"internal/deflate/scratch.go": "tables of the encoder",
		"internal/deflate/window.go":  "windows with their tables",
		"internal/inflate/code.go":    "Huffman codes",
		"internal/inflate/stream.go":  "decoders",
		"websocket/write.go":          "vectors of a write",
		"websocket/wsjson/wsjson.go":  "a bytes.Buffer, as encoding/json wants it",
		"ws/dial_handshake.go":        "the handshake of a client",
		"ws/frame.go":                 "a header and its payload",
		"ws/header.go":                "a header",
		"ws/mask.go":                  "sources of keys",
		"ws/upgrade.go":               "the handshake of a server",
		"wsutil/control.go":           "a control frame and its answer",
		"wsutil/data.go":              "readers",
		"wsutil/sendqueue.go":         "messages that wait to be sent",
		"wsutil/writer_pool.go":       "writers by their size, as GetWriter promises",
	}
	seen := make(map[string]bool)
	for _, file := range sources(t, func(string) bool { return true }) {
		selectors(file, func(from, name string) {
			if from == "sync" && name == "Pool" {
				seen[file.name] = true
				require.NotEmpty(t, pools[file.name], "%s: a new pool needs its reason here", file.name)
			}
		})
	}
	for name, reason := range pools {
		require.Equal(t, reason != "", seen[name], "%s: the pool is gone", name)
	}
}

// The only table of close codes is in ws/close.go. Another composite literal
// whose keys are codes is a second table.
func TestOneTableOfCloseCodes(t *testing.T) {
	tables := 0
	for _, file := range sources(t, func(dir string) bool { return dir != "websocket/wstest" }) {
		ast.Inspect(file.File, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			codes := 0
			for _, element := range lit.Elts {
				kv, ok := element.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				name := ""
				switch key := kv.Key.(type) {
				case *ast.Ident:
					name = key.Name
				case *ast.SelectorExpr:
					name = key.Sel.Name
				}
				if strings.HasPrefix(name, "Status") && name != "StatusCode" {
					codes++
				}
			}
			if codes > 2 {
				tables++
				require.Equal(t, "ws/close.go", file.name, "a second table of close codes")
			}
			return true
		})
	}
	require.Equal(t, 1, tables)
}

// Only internal/framing encodes frame headers, and only package ws decodes
// them. Package wstest has its own encoder for invalid frames.
func TestOneCodecOfHeaders(t *testing.T) {
	may := []string{"ws/header.go", "ws/frame.go"}
	for _, file := range sources(t, func(dir string) bool { return dir != "websocket/wstest" }) {
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !(strings.HasPrefix(f.Name.Name, "ParseHeader") || f.Name.Name == "AppendHeader") {
				continue
			}
			require.Contains(t, may, file.name, f.Name.Name)
		}
	}
}
