package inflate

import (
	"bufio"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var goldenSizes = []int{5, 0, 100, 1, 300, 1200, 64}

// goldenText is message k of each connection of testdata/golden.txt; see the
// program that made it, testdata/make.py.
func goldenText(k int) string {
	words := strings.Fields("alpha beta gamma delta price size symbol message time true false null 1024 0.25")
	var b strings.Builder
	for state := uint32(k + 1); b.Len() < goldenSizes[k]; {
		state = (state*1103515245 + 12345) & 0x7fffffff
		b.WriteString(words[int(state>>16)%len(words)] + " ")
	}
	return b.String()[:goldenSizes[k]]
}

// TestGolden inflates what zlib in C made, with all its strategies, levels,
// windows and kinds of flush.
func TestGolden(t *testing.T) {
	f, err := os.Open("testdata/golden.txt")
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	connections := 0
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		bits, err := strconv.Atoi(fields[1])
		require.NoError(t, err)
		require.Len(t, fields[2:], len(goldenSizes))
		connections++
		for _, way := range ways {
			t.Run(fields[0]+"/"+way.name, func(t *testing.T) {
				var d Decoder
				d.Reset(bits, true)
				for k, field := range fields[2:] {
					p, err := hex.DecodeString(field)
					require.NoError(t, err)
					got, err := way.inflate(&d, p)
					require.NoError(t, err)
					require.Equal(t, goldenText(k), string(got))
				}
			})
		}
	}
	require.NoError(t, lines.Err())
	require.Equal(t, 5*3+10+7+1, connections)
}
