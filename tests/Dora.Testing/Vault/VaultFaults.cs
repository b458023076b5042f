namespace Dora.Testing.Vault;

/// <summary>What goes wrong at one call.</summary>
public abstract record VaultFault
{
    private VaultFault()
    {
    }

    /// <summary>Another answer; nothing is done.</summary>
    public sealed record Answer(int Code, string Body, string MediaType = "application/json", params string[] Headers) : VaultFault;

    /// <summary>The connection is cut before anything is done.</summary>
    public sealed record CutBefore : VaultFault;

    /// <summary>All is done, and the connection is cut before the answer.</summary>
    public sealed record CutAfter : VaultFault;

    /// <summary>All is done, and the connection is cut in the middle of the answer.</summary>
    public sealed record CutInBody : VaultFault;

    /// <summary>Sealed from this call on.</summary>
    public sealed record Seal : VaultFault;

    /// <summary>Sealed right after this call was done.</summary>
    public sealed record SealAfter : VaultFault;

    /// <summary>The call is done not before the test says so.</summary>
    public sealed record Wait(Task Until) : VaultFault;
}

/// <summary>The faults to come.</summary>
internal sealed class VaultFaults
{
    private readonly Lock _lock = new();
    private readonly List<(Func<VaultCall, bool> When, VaultFault Fault, int Times)> _planned = [];

    public void Add(Func<VaultCall, bool> when, VaultFault fault, int times)
    {
        lock (_lock)
            _planned.Add((when, fault, times));
    }

    public VaultFault? Take(VaultCall call)
    {
        lock (_lock)
        {
            var index = _planned.FindIndex(planned => planned.When(call));
            if (index < 0)
                return null;
            var (when, fault, times) = _planned[index];
            if (times > 1)
                _planned[index] = (when, fault, times - 1);
            else
                _planned.RemoveAt(index);
            return fault;
        }
    }
}
