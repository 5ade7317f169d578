package ws

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// The whole table, as a sender and as a receiver, against the sets written out
// by hand from RFC 6455, section 7.4 and the registry.
func TestCloseCodes_RFC6455_7_4(t *testing.T) {
	onWire := []StatusCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
	reserved := []StatusCode{1005, 1006, 1015}
	for code := range StatusCode(6000) {
		valid := slices.Contains(onWire, code) || 3000 <= code && code <= 4999
		require.Equal(t, valid, code.MayBeSent(), "send %d", code)
		require.Equal(t, valid, code.MayBeReceived(), "receive %d", code)

		var want *ProtocolError
		switch {
		case valid:
		case code < 1000 || code > 4999:
			want = ErrProtocolStatusCodeNotInUse
		case slices.Contains(reserved, code):
			want = ErrProtocolStatusCodeApplicationLevel
		case code == 1004:
			want = ErrProtocolStatusCodeNoMeaning
		default:
			want = ErrProtocolStatusCodeUnknown
		}
		err := CheckCloseFrameData(code, "reason")
		_, _, parsed := ParseCloseBody([]byte{byte(code >> 8), byte(code), 'x'})
		if valid {
			require.NoError(t, err, "code %d", code)
			require.NoError(t, parsed, "code %d", code)
		} else {
			require.True(t, err == want, "code %d: %v", code, err)
			require.True(t, parsed == want, "code %d: %v", code, parsed)
			require.Equal(t, StatusProtocolError, want.Code)
		}

		require.Equal(t, slices.Contains(reserved, code), code.IsProtocolReserved(), "code %d", code)
		require.Equal(t, slices.Contains(onWire, code) || slices.Contains(reserved, code), code.IsProtocolDefined(), "code %d", code)
		require.Equal(t, code.In(StatusRangeProtocol), code.IsProtocolSpec())
		require.Equal(t, code.In(StatusRangeApplication), code.IsApplicationSpec())
		require.Equal(t, code.In(StatusRangePrivate), code.IsPrivateSpec())
		require.Equal(t, code.In(StatusRangeNotInUse) || code > 4999, code.IsNotUsed())
	}
	require.True(t, StatusCode(0).Empty())
	require.False(t, StatusNormalClosure.Empty())
	require.Equal(t, "going away", StatusGoingAway.Name())
	require.Equal(t, "", StatusCode(4000).Name())
}

func TestParseCloseBody_RFC6455_5_5_1(t *testing.T) {
	for _, tt := range []struct {
		name   string
		body   string
		code   StatusCode
		reason string
		err    error
	}{
		{"empty", "", StatusNoStatusRcvd, "", nil},
		{"one byte", "\x03", 0, "", ErrProtocolCloseBodyOneByte},
		{"code alone", "\x03\xe8", 1000, "", nil},
		{"code and reason", "\x03\xe8bye", 1000, "bye", nil},
		{"reason beyond ASCII", "\x0f\xa0für", 4000, "für", nil},
		{"reason not UTF-8", "\x03\xe8\xff", 1000, "\xff", ErrProtocolInvalidUTF8},
		{"reason ends inside a character", "\x03\xe8\xe2\x82", 1000, "\xe2\x82", ErrProtocolInvalidUTF8},
		{"bad code before bad reason", "\x00\x00\xff", 0, "\xff", ErrProtocolStatusCodeNotInUse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, reason, err := ParseCloseBody([]byte(tt.body))
			require.Equal(t, tt.code, code)
			require.Equal(t, tt.reason, reason)
			require.True(t, errors.Is(err, tt.err), "got %v", err)
		})
	}
	require.Equal(t, StatusInvalidFramePayloadData, ErrProtocolInvalidUTF8.Code)
}

// A reason too long for a control frame is cut at a character, and the peer
// still gets the code.
func TestAppendCloseBodyCutsTheReason(t *testing.T) {
	for _, reason := range []string{
		strings.Repeat("x", 122), strings.Repeat("x", 123), strings.Repeat("x", 124), strings.Repeat("x", 1<<16),
		strings.Repeat("é", 100), "x" + strings.Repeat("é", 100),
		strings.Repeat("€", 100), "x" + strings.Repeat("€", 100), "xx" + strings.Repeat("€", 100),
		strings.Repeat("😀", 50), "x" + strings.Repeat("😀", 50), "xx" + strings.Repeat("😀", 50), "xxx" + strings.Repeat("😀", 50),
		strings.Repeat("\x80", 300), // not UTF-8 to begin with: cut all the same
	} {
		body := AppendCloseBody([]byte("before"), StatusGoingAway, reason)
		require.Equal(t, "before", string(body[:6]))
		body = body[6:]
		require.LessOrEqual(t, len(body), MaxControlFramePayloadSize)
		code, got := ParseCloseFrameData(body)
		require.Equal(t, StatusGoingAway, code)
		require.True(t, strings.HasPrefix(reason, got))
		if utf8.ValidString(reason) {
			require.True(t, utf8.ValidString(got))
			require.Greater(t, len(got)+utf8.UTFMax, min(len(reason), 123), "cut by no more than a character")
		}
		require.Equal(t, body, NewCloseFrameBody(StatusGoingAway, reason))
	}
	require.Empty(t, AppendCloseBody(nil, 0, "lost"))
	require.Empty(t, AppendCloseBody(nil, StatusNoStatusRcvd, ""))
}

func TestPutAndParseCloseFrameData(t *testing.T) {
	p := make([]byte, 5)
	PutCloseFrameBody(p, 4999, "bye")
	code, reason := ParseCloseFrameData(p)
	require.Equal(t, StatusCode(4999), code)
	require.Equal(t, "bye", reason)
	code, reason = ParseCloseFrameDataUnsafe(p)
	require.Equal(t, StatusCode(4999), code)
	p[2] = 'B'
	require.Equal(t, "bye", reason, "the reason is a copy")
	for _, short := range [][]byte{nil, {3}} {
		code, reason = ParseCloseFrameData(short)
		require.Zero(t, code)
		require.Empty(t, reason)
	}
	require.Panics(t, func() { PutCloseFrameBody(make([]byte, 4), 1000, "bye") })
}

func FuzzCloseBody(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{3})
	f.Add(AppendCloseBody(nil, StatusNormalClosure, "bye"))
	f.Add(AppendCloseBody(nil, 4999, strings.Repeat("€", 41)))
	f.Fuzz(func(t *testing.T, p []byte) {
		code, reason, err := ParseCloseBody(p)
		if err != nil {
			require.ErrorAs(t, err, new(*ProtocolError))
			return
		}
		require.True(t, utf8.ValidString(reason))
		require.True(t, len(p) == 0 || code.MayBeReceived())
		if len(p) <= MaxControlFramePayloadSize {
			require.Equal(t, string(p), string(AppendCloseBody(nil, code, reason)))
		}
	})
}
