package dial

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBackoff(t *testing.T) {
	var b backoff
	for _, most := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		most *= time.Millisecond
		pause := b.next()
		require.LessOrEqual(t, pause, most)
		require.Greater(t, pause, most/2)
	}
}
