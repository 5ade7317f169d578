package httphead

import (
	"strings"
	"testing"

	grammar "github.com/gobwas/httphead"
	"github.com/stretchr/testify/require"
)

const malformed = "(malformed)" // no token

// tokens returns what Tokens yields, with malformed for the fault.
func tokens(f Fields, name string) []string {
	var got []string
	for token, err := range f.Tokens(name) {
		if err != nil {
			got = append(got, malformed)
			continue
		}
		got = append(got, string(token))
	}
	return got
}

func TestTokens(t *testing.T) {
	for _, group := range []struct {
		section string
		values  map[string]string // what is yielded, joined by spaces
	}{
		{"RFC 9110 5.6.1, lists", map[string]string{
			"a": "a", "a,b": "a b", "a, b": "a b", "a ,b": "a b", " a\t,\tb ": "a b", "keep-alive, Upgrade": "keep-alive Upgrade",
		}},
		{"RFC 9110 5.6.1.2, empty members are ignored", map[string]string{
			"a,,b": "a b", ",a": "a", "a,": "a", ", , a ,\t, b , ,": "a b",
		}},
		{"RFC 9110 5.6.1, at least one member", map[string]string{
			"": "!", ",": "!", " , ,\t": "!",
		}},
		{"RFC 9110 5.6.2, members are tokens", map[string]string{
			"a b": "!", "a, b c, d": "a !", "a; b": "!", "a=b": "!", `"a"`: "!", "a, (c)": "a !", "a/b": "!", "\xe9": "!", "a\x00": "!", "a, b\x7f": "a !", "\\": "!",
			"HTTP/2.0, websocket": "!",
		}},
	} {
		t.Run(group.section, func(t *testing.T) {
			for value, want := range group.values {
				got := strings.Join(tokens(fields("Upgrade", value), "upgrade"), " ")
				require.Equal(t, want, strings.ReplaceAll(got, malformed, "!"), "%q", value)
			}
		})
	}
}

// RFC 9110, section 5.3: fields of one name are one list.
func TestTokensOverSeveralFields(t *testing.T) {
	f := fields("Connection", "keep-alive", "Host", "x y", "connection", "", "CONNECTION", "Upgrade, close", "Empty", "", "Empty", ",")
	require.Equal(t, []string{"keep-alive", "Upgrade", "close"}, tokens(f, "Connection"))
	require.Equal(t, []string{malformed}, tokens(f, "Empty"))
	require.Empty(t, tokens(f, "Absent"))

	f = fields("A", "1, 2", "A", "3 4", "A", "5")
	require.Equal(t, []string{"1", "2", malformed}, tokens(f, "A"), "a fault is the last that is yielded")
	for token := range f.Tokens("A") {
		require.Equal(t, "1", string(token))
		break
	}
}

func TestHasToken(t *testing.T) {
	f := fields("Connection", "keep-alive", "Connection", "UPGRADE", "Bad", "a, b c, d", "Upgrade", "websockets, web-socket")
	require.True(t, f.HasToken("connection", "upgrade"))
	require.True(t, f.HasToken("Bad", "a"))
	require.False(t, f.HasToken("Bad", "b"))
	require.False(t, f.HasToken("Bad", "d"), "behind the fault")
	require.False(t, f.HasToken("Upgrade", "websocket"), "a part of a member")
	require.False(t, f.HasToken("Absent", "a"))
	require.False(t, fields("A", "", "A", ",").HasToken("A", ""))
}

// The table of this package and the grammar's agree on what a token is.
func TestTokenOctetsAreTheGrammars(t *testing.T) {
	for c := range 256 {
		require.Equal(t, grammar.OctetTypes[c].IsToken(), tokenOctet[c], "%#x", c)
	}
	require.True(t, IsToken("a-b"))
	require.True(t, IsToken([]byte("a-b")))
	require.False(t, IsToken(""))
	require.False(t, IsToken("a b"))
}

// What the grammar's own list scanner makes of these values, and we do not.
func TestTokensWhereTheGrammarDiffers(t *testing.T) {
	scan := func(value string) (got []string, ok bool) {
		ok = grammar.ScanTokens([]byte(value), func(token []byte) bool {
			got = append(got, string(token))
			return true
		})
		return got, ok
	}

	// Two tokens with nothing but a space between them are no list: "keep-alive
	// Upgrade" does not ask for an upgrade.
	got, ok := scan("keep-alive Upgrade")
	require.True(t, ok)
	require.Equal(t, []string{"keep-alive", "Upgrade"}, got)
	require.Equal(t, []string{malformed}, tokens(fields("A", "keep-alive Upgrade"), "A"))

	// A tab is white space (RFC 9110, section 5.6.3).
	_, ok = scan("a,\tb")
	require.False(t, ok)
	require.Equal(t, []string{"a", "b"}, tokens(fields("A", "a,\tb"), "A"))
}
