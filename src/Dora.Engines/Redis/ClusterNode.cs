using System.Globalization;

namespace Dora.Engines.Redis;

/// <summary>One line of <c>CLUSTER NODES</c> (Redis documentation, "CLUSTER NODES": serialization format).</summary>
/// <param name="Id">Name of the node: 40 hexadecimal digits, kept on its volume.</param>
/// <param name="Ip">Address at which whoever answered reaches it; empty when it has none.</param>
/// <param name="Host">Host name that it announces; empty while unknown.</param>
/// <param name="Flags">Words such as <c>myself</c>, <c>master</c>, <c>fail</c>.</param>
/// <param name="MasterId">Whom it follows, or null.</param>
/// <param name="Epoch">Epoch of its slots; the higher one wins a slot that two claim.</param>
/// <param name="Slots">Slots that it serves.</param>
/// <param name="Open">Slots on their way, which only a node's own line shows.</param>
internal sealed record ClusterNode(string Id, string Ip, string Host, IReadOnlyList<string> Flags, string? MasterId, long Epoch, IReadOnlyList<SlotRange> Slots, IReadOnlyList<OpenSlot> Open)
{
    private const int MostNodes = 1000;

    public bool Myself => Flags.Contains("myself");

    public bool Master => Flags.Contains("master");

    public bool Failed => Flags.Contains("fail");

    /// <summary>Met, but not known by its own name yet.</summary>
    public bool Handshake => Flags.Contains("handshake");

    public int SlotCount => Slots.Sum(range => range.Last - range.First + 1);

    /// <summary>Reads a whole reply.</summary>
    /// <exception cref="InvalidDataException">It is not what the format says.</exception>
    public static IReadOnlyList<ClusterNode> Parse(string text)
    {
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (lines.Length > MostNodes)
            throw new InvalidDataException($"more than {MostNodes} nodes");
        var nodes = lines.Select(Line).ToList();
        return nodes.Count(node => node.Myself) == 1 ? nodes : throw new InvalidDataException("CLUSTER NODES does not say who answers");
    }

    private static ClusterNode Line(string line)
    {
        var words = line.Split(' ');
        if (words.Length < 8 || words[0].Length != 40 || !words[0].All(char.IsAsciiHexDigitLower))
            throw new InvalidDataException("a line of CLUSTER NODES is not a node");
        var address = words[1].Split(',');
        var endpoint = address[0].Split('@')[0];
        var colon = endpoint.LastIndexOf(':');
        if (colon < 0 || !long.TryParse(words[6], NumberStyles.None, CultureInfo.InvariantCulture, out var epoch))
            throw new InvalidDataException("a line of CLUSTER NODES has no address or no epoch");
        return new(
            words[0],
            endpoint[..colon],
            address.Length > 1 ? address[1] : "",
            words[2].Split(','),
            words[3] == "-" ? null : words[3],
            epoch,
            [.. words[8..].Where(word => !word.StartsWith('[')).Select(SlotRange.Parse)],
            [.. words[8..].Where(word => word.StartsWith('[')).Select(OpenSlot.Parse)]);
    }
}

/// <summary>Slots from the first to the last, both included.</summary>
internal readonly record struct SlotRange(int First, int Last)
{
    /// <summary>Slots of every cluster.</summary>
    public const int All = 16384;

    public static SlotRange Parse(string word)
    {
        var dash = word.IndexOf('-');
        var range = dash < 0 ? new SlotRange(Slot(word), Slot(word)) : new(Slot(word[..dash]), Slot(word[(dash + 1)..]));
        return range.First <= range.Last ? range : throw new InvalidDataException("a range of slots ends before it begins");
    }

    /// <summary>The slots one by one.</summary>
    public IEnumerable<int> Each() => Enumerable.Range(First, Last - First + 1);

    /// <summary>Neighbours joined; <paramref name="slots"/> must ascend.</summary>
    public static IReadOnlyList<SlotRange> Join(IEnumerable<int> slots)
    {
        var ranges = new List<SlotRange>();
        foreach (var slot in slots)
        {
            if (ranges is [.., var last] && last.Last == slot - 1)
                ranges[^1] = last with { Last = slot };
            else
                ranges.Add(new(slot, slot));
        }

        return ranges;
    }

    public static int Slot(string word) =>
        int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var slot) && slot < All ? slot : throw new InvalidDataException("a slot is not between 0 and 16383");
}

/// <summary>A slot on its way: written <c>[93-&lt;-id]</c> by whoever takes it and <c>[93-&gt;-id]</c> by whoever gives it.</summary>
internal readonly record struct OpenSlot(int Slot, string Peer, bool Importing)
{
    public static OpenSlot Parse(string word)
    {
        var parts = word.Trim('[', ']').Split('-');
        return parts is [var slot, "<" or ">", var peer] ? new(SlotRange.Slot(slot), peer, parts[1] == "<") : throw new InvalidDataException("a slot on its way is not written as documented");
    }
}
