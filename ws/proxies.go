package ws

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/wskit/wskit/httphead"
)

// Proxies are the reverse proxies in front of a server. The fields that they
// add to a request tell where the request came from. A nil pointer means no
// proxies.
//
// Only members of a field that trusted proxies have written are used. A proxy
// appends to a list or replaces it, so lists are read from the end. The last
// member was written by the proxy that connected to this server. If that proxy
// is trusted, the member holds the address that connected to it. If that
// address is also a trusted proxy, the previous member is used as well, and so
// on. Members that the client sent are not used.
//
// The search ends at a member that is malformed or that hides the address. The
// result is then what was found before.
type Proxies struct {
	// Trusted are the addresses of the proxies, as in
	// [http.Request].RemoteAddr, and of proxies in front of them. A connection
	// without an IP address, such as that of a Unix socket, is not trusted.
	Trusted []netip.Prefix

	// Standard says that the proxies write the field Forwarded (RFC 7239). By
	// default they write X-Forwarded-For, X-Forwarded-Proto and
	// X-Forwarded-Host. The other fields are ignored, because a proxy that does
	// not know a field forwards the client's value.
	//
	// The proxies must write X-Forwarded-For, or the parameter for, and must
	// set or remove each of the others, so that they do not forward the
	// client's values.
	Standard bool
}

// Validate returns an error if an entry of Trusted is not a valid prefix or
// matches no address. A prefix of IPv4 addresses mapped to IPv6 matches none,
// because such addresses are compared as IPv4.
func (p *Proxies) Validate() error {
	if p == nil {
		return nil
	}
	for i, prefix := range p.Trusted {
		if !prefix.IsValid() {
			return fmt.Errorf("ws: Proxies: Trusted[%d] is not a valid prefix", i)
		}
		if prefix.Addr().Is4In6() {
			return fmt.Errorf("ws: Proxies: Trusted[%d] is %v, which matches no address: write the IPv4 prefix", i, prefix)
		}
	}
	return nil
}

// Request returns r as the client sent it to the first trusted proxy: a shallow
// copy with its own URL. RemoteAddr is the address of the client, with port 0
// if the port is not known. Host is the host that the client requested. URL has
// that host and the scheme of the client's connection, http or https. If p or r
// is nil, it returns r.
//
// Call it before using RemoteAddr, and pass the result to [HTTPUpgrader], whose
// option Hosts then applies to the client's request.
func (p *Proxies) Request(r *http.Request) *http.Request {
	if p == nil || r == nil {
		return r
	}
	as := forwarding{secure: r.TLS != nil, host: r.Host}
	as.client, _ = netip.ParseAddrPort(r.RemoteAddr)
	remote := as.client
	p.follow(&as, r.Header)

	sent := *r
	if as.client != remote {
		sent.RemoteAddr = as.client.String()
	}
	sent.Host = as.host
	sent.URL = new(url.URL)
	if r.URL != nil {
		*sent.URL = *r.URL
	}
	sent.URL.Scheme, sent.URL.Host = httpScheme(as.secure), as.host
	return &sent
}

// forwarding is the current knowledge about the origin of a request.
type forwarding struct {
	client netip.AddrPort
	secure bool
	host   string
}

// follow traces the request back through the trusted proxies.
func (p *Proxies) follow(as *forwarding, h http.Header) {
	next := xForwarded(h)
	if p.Standard {
		next = forwarded(h)
	}
	for p.trust(as.client.Addr()) {
		hop, ok := next()
		if !ok {
			return
		}
		switch strings.ToLower(hop.proto) {
		case "http", "ws":
			as.secure = false
		case "https", "wss":
			as.secure = true
		}
		if validHost(hop.host) {
			as.host = hop.host
		}
		client, ok := parseNode(hop.client)
		if !ok {
			return
		}
		as.client = client
	}
}

func (p *Proxies) trust(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, prefix := range p.Trusted {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// hop is the report of one proxy about the request that it received. Missing
// values are "".
type hop struct{ client, proto, host string }

// xForwarded returns an iterator over the hops in X-Forwarded-For, -Proto and
// -Host, beginning with the nearest proxy.
func xForwarded(h http.Header) func() (hop, bool) {
	clients := backwards{values: h["X-Forwarded-For"]}
	protos := backwards{values: h["X-Forwarded-Proto"]}
	hosts := backwards{values: h["X-Forwarded-Host"]}
	return func() (hop, bool) {
		h := hop{clients.next(), protos.next(), hosts.next()}
		return h, h != hop{}
	}
}

// forwarded is xForwarded for the field Forwarded (RFC 7239, section 4).
func forwarded(h http.Header) func() (hop, bool) {
	elements := backwards{values: h["Forwarded"]}
	return func() (hop, bool) { return parseElement(elements.next()) }
}

// backwards iterates over the members of a list from its end. Earlier text,
// which the client may have sent, cannot affect where a member begins.
type backwards struct {
	values []string // of the field, except for the current one
	value  string   // the rest of the current value
	more   bool     // at least one member is left, which may be empty
}

// next returns the next member that is not empty, or "".
func (b *backwards) next() string {
	for {
		if !b.more {
			last := len(b.values) - 1
			if last < 0 {
				return ""
			}
			b.value, b.values, b.more = b.values[last], b.values[:last], true
		}
		comma := lastComma(b.value)
		member := strings.Trim(b.value[comma+1:], " \t")
		b.more = comma >= 0
		b.value = b.value[:max(comma, 0)]
		if member != "" {
			return member
		}
	}
}

// lastComma returns the index of the last comma outside of quotes, or -1.
func lastComma(s string) int {
	quoted := false
	for i := len(s) - 1; i >= 0; i-- {
		switch s[i] {
		case ',':
			if !quoted {
				return i
			}
		case '"':
			escapes := 0
			for escapes < i && s[i-1-escapes] == '\\' {
				escapes++
			}
			if escapes%2 == 0 {
				quoted = !quoted
			}
			i -= escapes
		}
	}
	return -1
}

// parseElement parses a forwarded-element (RFC 7239, section 4). ok is false if
// it is malformed or empty.
func parseElement(s string) (h hop, ok bool) {
	var set struct{ client, proto, host bool }
	take := func(to *string, set *bool, value string) {
		ok = ok && !*set // once
		*to, *set = value, true
	}
	for ok = s != ""; s != "" && ok; {
		var name, value string
		name, value, s, ok = parsePair(s)
		switch name {
		case "for":
			take(&h.client, &set.client, value)
		case "proto":
			take(&h.proto, &set.proto, value)
		case "host":
			take(&h.host, &set.host, value)
		}
	}
	return h, ok
}

// parsePair parses a forwarded-pair and the semicolon after it. An empty pair
// has no name.
func parsePair(s string) (name, value, rest string, ok bool) {
	s = strings.TrimLeft(s, " \t")
	if s == "" || s[0] == ';' {
		return "", "", strings.TrimPrefix(s, ";"), true
	}
	name, s, ok = strings.Cut(s, "=")
	if !ok || !httphead.IsToken(name) {
		return "", "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		value, rest, ok = cutQuoted(s)
	} else {
		value, rest = s, ""
		if i := strings.IndexByte(s, ';'); i >= 0 {
			value, rest = s[:i], s[i:]
		}
		value = strings.TrimRight(value, " \t")
		ok = httphead.IsToken(value)
	}
	rest = strings.TrimLeft(rest, " \t")
	if !ok || rest != "" && rest[0] != ';' {
		return "", "", "", false
	}
	return strings.ToLower(name), value, strings.TrimPrefix(rest, ";"), true
}

// cutQuoted cuts a quoted-string (RFC 9110, section 5.6.4) off the beginning of
// s.
func cutQuoted(s string) (value, rest string, ok bool) {
	var b []byte
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return string(b), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b = append(b, s[i])
	}
	return "", "", false
}

// parseNode parses an address with or without a port: a node of RFC 7239,
// section 6, or an IPv6 address without brackets, which X-Forwarded-For may
// contain. ok is false for "unknown" and for obfuscated identifiers. An
// obfuscated port counts as no port.
func parseNode(s string) (node netip.AddrPort, ok bool) {
	if i := strings.LastIndex(s, ":_"); i >= 0 {
		s = s[:i]
	}
	bracketed, bare := strings.HasPrefix(s, "["), strings.HasSuffix(s, "]")
	var addr netip.Addr
	var err error
	switch {
	case bracketed && bare:
		addr, err = netip.ParseAddr(s[1 : len(s)-1])
	case bracketed, strings.Count(s, ":") == 1:
		node, err = netip.ParseAddrPort(s)
		addr = node.Addr()
	default:
		addr, err = netip.ParseAddr(s)
	}
	return netip.AddrPortFrom(addr.Unmap(), node.Port()), err == nil && addr.Zone() == ""
}
