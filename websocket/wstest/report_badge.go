package wstest

import (
	"fmt"
	"html/template"
	"io"
)

var badgeTemplate = template.Must(template.New("badge").Parse(
	`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="20" role="img" aria-label="{{.Label}}: {{.Message}}">
<title>{{.Label}}: {{.Message}}</title>
<rect width="{{.Width}}" height="20" rx="3" fill="#444"/>
<path d="M{{.Left}} 0h{{.Rest}}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{{.Rest}}z" fill="{{.Color}}"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="6" y="14" textLength="{{.LabelText}}">{{.Label}}</text>
<text x="{{.MessageAt}}" y="14" textLength="{{.MessageText}}">{{.Message}}</text>
</g>
</svg>
`))

// WriteBadge writes a badge as an SVG image for a README: the number of strict
// cases out of those that ran, and the number of failed ones, of all agents. It
// is green if all are strict, yellow if some are tolerated, red if some failed,
// and gray if none ran.
func (r *Report) WriteBadge(w io.Writer) error {
	const label, letter, pad = "RFC 6455", 7, 6
	var c Counts
	for _, a := range r.Agents {
		c.Strict += a.Counts.Strict
		c.Tolerated += a.Counts.Tolerated
		c.Failed += a.Counts.Failed
	}
	asked := c.Strict + c.Tolerated + c.Failed
	message, color := fmt.Sprintf("%d of %d strict", c.Strict, asked), "#2f7d32"
	switch {
	case asked == 0:
		message, color = "not asked", "#666"
	case c.Failed > 0:
		message, color = fmt.Sprintf("%d of %d failed", c.Failed, asked), "#b3261e"
	case c.Tolerated > 0:
		color = "#8a6d00"
	}
	left, right := len(label)*letter+2*pad, len(message)*letter+2*pad
	return badgeTemplate.Execute(w, map[string]any{
		"Label": label, "Message": message, "Color": color, "Width": left + right, "Left": left, "Rest": right - 3,
		"LabelText": len(label) * letter, "MessageText": len(message) * letter, "MessageAt": left + pad,
	})
}
