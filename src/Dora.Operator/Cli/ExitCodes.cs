namespace Dora.Operator.Cli;

/// <summary>What the process answers.</summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>Generated files differ, or a stack has violations.</summary>
    public const int Difference = 1;

    /// <summary>The input cannot be read.</summary>
    public const int BadInput = 2;

    /// <summary>The cluster lacks something the operator needs, e.g. its CRD.</summary>
    public const int NotInstalled = 3;

    /// <summary>The cluster cannot be reached.</summary>
    public const int Unreachable = 4;

    /// <summary>The account may not read stacks, so there is nothing it could do.</summary>
    public const int Forbidden = 5;
}
